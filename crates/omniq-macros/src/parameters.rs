//! The parameters: what the pool hands in, and the arguments that come from the queue.

use syn::ext::IdentExt;
use syn::{Attribute, Expr, FnArg, Ident, Pat, PatType, Receiver, Signature, Token, Type};

use crate::problems::Problems;
use crate::types::{SELF, argument_of, as_written, borrows, contains, is_called, owned, plain};

/// As many as serde has tuples for.
const MOST: usize = 16;

const ONLY_DEFAULT: &str = "a parameter has the one option `default`: write `#[omniq(default)]` or \
                            `#[omniq(default = 640)]`";

pub(crate) enum Parameter {
    Context,
    State(Type),
    Argument(Argument),
}

pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) default: Option<Default>,
}

/// What an argument is that a call by name leaves out.
pub(crate) enum Default {
    OfTheType,
    Code(Expr),
}

impl Argument {
    /// The name as callers write it, without `r#`.
    pub(crate) fn called(&self) -> String {
        self.name.unraw().to_string()
    }
}

/// Reads the parameters, takes our attributes off them, and tells of what is wrong.
pub(crate) fn read(signature: &mut Signature, problems: &mut Problems) -> Vec<Parameter> {
    let mut found = Vec::new();
    let mut arguments = 0;
    for input in &mut signature.inputs {
        let parameter = match input {
            FnArg::Receiver(receiver) => refuse_self(receiver, problems),
            FnArg::Typed(typed) => read_one(typed, problems),
        };
        match &parameter {
            Some(Parameter::Argument(argument)) => {
                arguments += 1;
                if arguments == MOST + 1 {
                    let text = format!(
                        "a task takes at most {MOST} arguments: group them in a struct that derives `Serialize` and \
                         `Deserialize`"
                    );
                    problems.add(&argument.name, text);
                }
            }
            Some(_) if arguments > 0 => {
                let text = format!(
                    "{} is handed in by the worker pool: put it before the arguments",
                    handed_in(input)
                );
                problems.add(input, text);
            }
            _ => {}
        }
        found.extend(parameter);
    }
    found
}

fn handed_in(input: &FnArg) -> String {
    match input {
        FnArg::Typed(typed) => format!("`{}`", as_written(&typed.ty)),
        FnArg::Receiver(_) => "this".to_owned(),
    }
}

fn refuse_self(receiver: &Receiver, problems: &mut Problems) -> Option<Parameter> {
    let text = "a task has no `self`, which would be gone by the time it runs: write a function outside the `impl` \
                block, and pass what it needs as arguments or as `omniq::State<T>`";
    problems.add(receiver, text);
    None
}

fn read_one(typed: &mut PatType, problems: &mut Problems) -> Option<Parameter> {
    let default = take_default(&mut typed.attrs, problems);
    for attribute in &typed.attrs {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            let text = "a parameter of a task is there or not, since tasks in the queue outlive a build: put the \
                        `cfg` on the function";
            problems.add(attribute, text);
        }
    }
    let ty = (*typed.ty).clone();
    let handed_in = if is_called(&ty, "TaskContext") {
        Some(Parameter::Context)
    } else {
        argument_of(&ty, "State").map(|inner| Parameter::State(inner.clone()))
    };
    if let Some(handed_in) = handed_in {
        if default.is_some() {
            let text = format!(
                "`{}` is handed in by the worker pool, and needs no default",
                as_written(&ty)
            );
            problems.add(&ty, text);
        }
        return Some(handed_in);
    }
    let name = name_of(&typed.pat, problems);
    check_type(&ty, problems);
    Some(Parameter::Argument(Argument {
        name: name?,
        ty,
        default,
    }))
}

fn name_of(pattern: &Pat, problems: &mut Problems) -> Option<Ident> {
    match pattern {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {
            return Some(name.ident.clone());
        }
        Pat::Wild(_) => {
            let text = "an argument has a name, by which callers in other languages give it: write `_name` if it \
                        is not used";
            problems.add(pattern, text);
        }
        _ => {
            let text = "an argument has a name, by which callers in other languages give it: write `name: Type`, \
                        and take the value apart in the body";
            problems.add(pattern, text);
        }
    }
    None
}

fn check_type(ty: &Type, problems: &mut Problems) {
    let text = match plain(ty) {
        Type::Reference(reference) if is_called(&reference.elem, "TaskContext") => {
            "take `TaskContext` instead of a reference: a clone of it is the same execution".to_owned()
        }
        Type::Reference(reference) => format!(
            "a task owns its arguments, since they come from the queue: take `{}` instead of `{}`",
            owned(reference),
            as_written(ty)
        ),
        _ if contains(ty, "impl") => {
            "a task says which type it takes, since the argument is read from the queue as that type: name it \
             instead of writing `impl`"
                .to_owned()
        }
        _ if contains(ty, "&") => format!(
            "a task owns its arguments, since they come from the queue: there is a reference in `{}`",
            as_written(ty)
        ),
        _ if borrows(ty) => format!(
            "a task owns its arguments, since they come from the queue: `{}` borrows; take a type that owns what it \
             has",
            as_written(ty)
        ),
        _ if contains(ty, "Self") => SELF.to_owned(),
        _ => return,
    };
    problems.add(ty, text);
}

/// Takes `#[omniq(default)]` or `#[omniq(default = ..)]` off a parameter.
fn take_default(attributes: &mut Vec<Attribute>, problems: &mut Problems) -> Option<Default> {
    let mut default = None;
    for attribute in attributes.extract_if(.., |a| a.path().is_ident("omniq")) {
        if attribute.meta.require_list().is_err() {
            problems.add(attribute, ONLY_DEFAULT);
            continue;
        }
        let read = attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("default") {
                return Err(meta.error(ONLY_DEFAULT));
            }
            if default.is_some() {
                return Err(meta.error("`default` is given twice: leave one of them out"));
            }
            default = Some(match meta.input.parse::<Option<Token![=]>>()? {
                Some(_) => Default::Code(meta.input.parse()?),
                None => Default::OfTheType,
            });
            Ok(())
        });
        problems.keep(read);
    }
    default
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::parse_quote;

    use super::*;

    fn told(mut signature: Signature) -> String {
        let mut problems = Problems::default();
        read(&mut signature, &mut problems);
        problems.into_code().unwrap_or_default().to_string()
    }

    #[test]
    fn parameters_are_told_apart_and_lose_our_attributes() {
        let mut signature: Signature = parse_quote! {
            fn f(_ctx: omniq::TaskContext, db: State<Pool>, mut r#type: String,
                 #[omniq(default = 640)] #[allow(unused)] width: u32, #[omniq(default)] tags: Vec<String>)
        };
        let mut problems = Problems::default();
        let read = read(&mut signature, &mut problems);
        assert!(problems.into_code().is_none());
        let [
            Parameter::Context,
            Parameter::State(pool),
            Parameter::Argument(first),
            Parameter::Argument(second),
            Parameter::Argument(third),
        ] = &read[..]
        else {
            panic!("five parameters");
        };
        assert_eq!(as_written(pool), "Pool");
        assert_eq!(
            (first.called().as_str(), first.default.is_some()),
            ("type", false)
        );
        assert!(matches!(second.default, Some(Default::Code(_))));
        assert!(matches!(third.default, Some(Default::OfTheType)));
        let left = quote!(#signature).to_string();
        assert!(
            !left.contains("omniq (") && left.contains("allow"),
            "{left}"
        );
    }

    #[test]
    fn what_no_parameter_can_be_is_told_with_what_to_write() {
        let cases: [(Signature, &str); 16] = [
            (parse_quote!(fn f(&self)), "outside the `impl` block"),
            (
                parse_quote!(fn f(a: &str)),
                "take `String` instead of `&str`",
            ),
            (
                parse_quote!(fn f(a: &[u8])),
                "take `Vec<u8>` instead of `&[u8]`",
            ),
            (
                parse_quote!(fn f(a: &'static Path)),
                "take `PathBuf` instead of `&'static Path`",
            ),
            (
                parse_quote!(fn f(a: Vec<&str>)),
                "a reference in `Vec<&str>`",
            ),
            (parse_quote!(fn f(a: Frame<'_>)), "`Frame<'_>` borrows"),
            (parse_quote!(fn f(ctx: &TaskContext)), "take `TaskContext`"),
            (
                parse_quote!(fn f(a: impl Copy)),
                "instead of writing `impl`",
            ),
            (parse_quote!(fn f(a: Self)), "out of the `impl` block"),
            (
                parse_quote!(fn f((a, b): (u8, u8))),
                "take the value apart in the body",
            ),
            (parse_quote!(fn f(_: u8)), "write `_name`"),
            (
                parse_quote!(fn f(a: u8, ctx: TaskContext)),
                "put it before the arguments",
            ),
            (
                parse_quote!(fn f(a: u8, s: State<u8>)),
                "put it before the arguments",
            ),
            (
                parse_quote!(fn f(#[omniq(defualt)] a: u8)),
                "the one option `default`",
            ),
            (
                parse_quote!(fn f(#[omniq(default)] ctx: TaskContext)),
                "needs no default",
            ),
            (
                parse_quote!(fn f(#[cfg(unix)] a: u8)),
                "put the `cfg` on the function",
            ),
        ];
        for (signature, expected) in cases {
            let shown = quote!(#signature).to_string();
            let told = told(signature);
            assert!(told.contains(expected), "{shown}: {expected} in {told}");
        }
    }

    #[test]
    fn sixteen_arguments_are_the_most() {
        let with = |count: usize| {
            let names: Vec<Ident> = (0..count).map(|at| quote::format_ident!("a{at}")).collect();
            told(parse_quote!(fn f(ctx: TaskContext, #(#names: u8),*)))
        };
        assert_eq!(with(16), "");
        assert!(with(17).contains("at most 16 arguments"));
    }
}
