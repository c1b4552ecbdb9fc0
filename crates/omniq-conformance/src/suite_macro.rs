//! The macro behind the list of all questions.

/// Declares all questions, by topic: the functions of `exam`, each an `async fn(Fixture)`.
///
/// The compiler reports a question that is missing from the list as dead code, and a listed question without a
/// function as an error. The leading `$` is needed because this macro defines another macro.
macro_rules! questions {
    ($d:tt $($topic:ident { $($question:ident)* })*) => {
        #[doc(hidden)]
        pub mod questions {
            $(pub mod $topic {
                $(pub fn $question(open: fn() -> $crate::Subject) {
                    $crate::run::run(open, $crate::exam::$topic::$question);
                })*
            })*
        }

        /// Defines one test for each question. `open` is the path of a `fn() -> Subject` that opens a new, empty
        /// storage at each call.
        #[macro_export]
        macro_rules! suite {
            ($d open:path) => {
                $(mod $topic {
                    #[allow(unused_imports)]
                    use super::*;

                    $(#[test]
                    fn $question() {
                        $d crate::questions::$topic::$question($d open);
                    })*
                })*
            };
        }
    };
}
