/// The list of all questions, by topic: the functions of `exam`, each an `async fn(Scene)`.
///
/// A question that is not in the list is dead code, which the compiler reports; one that is listed but not
/// written does not compile. The leading `$` is what lets a macro write a macro.
macro_rules! questions {
    ($d:tt $($topic:ident { $($question:ident)* })*) => {
        #[doc(hidden)]
        pub mod asked {
            $(pub mod $topic {
                $(pub fn $question(open: fn() -> $crate::Subject) {
                    $crate::run::run(open, $crate::exam::$topic::$question);
                })*
            })*
        }

        /// Asks a storage every question. `open` is the path of a `fn() -> Subject` that opens a new,
        /// empty storage each time.
        #[macro_export]
        macro_rules! suite {
            ($d open:path) => {
                $(mod $topic {
                    #[allow(unused_imports)]
                    use super::*;

                    $(#[test]
                    fn $question() {
                        $d crate::asked::$topic::$question($d open);
                    })*
                })*
            };
        }
    };
}
