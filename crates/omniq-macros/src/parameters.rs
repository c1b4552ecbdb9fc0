//! Reads the parameters: those that the worker pool provides, and the arguments, which come from the queue.

use syn::ext::IdentExt;
use syn::{Attribute, Expr, FnArg, Ident, Pat, PatType, Receiver, Signature, Token, Type};

use crate::problems::Problems;
use crate::types::{
    SELF_TYPE, as_written, borrows, contains, is_named, owned_type, type_argument_of, ungrouped,
};

/// The arguments are read as one tuple, and serde implements its traits for tuples of at most this length.
const MAX_ARGUMENTS: usize = 16;

const ONLY_DEFAULT: &str = "the only option of a parameter is `default`: write `#[omniq(default)]` or \
                            `#[omniq(default = 640)]`";

pub(crate) enum Parameter {
    Context,
    State(Type),
    Argument(Argument),
}

pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) default: Option<DefaultValue>,
}

/// The value of an argument that a call by name leaves out.
pub(crate) enum DefaultValue {
    /// `#[omniq(default)]`: the `Default` of the argument's type.
    OfType,
    /// `#[omniq(default = ..)]`.
    Expression(Expr),
}

impl Argument {
    /// Returns the name that callers use, without `r#`.
    pub(crate) fn unraw_name(&self) -> String {
        self.name.unraw().to_string()
    }
}

/// Reads the parameters, removes our attributes from them, and adds a problem for each that a task can't have.
pub(crate) fn read(signature: &mut Signature, problems: &mut Problems) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    let mut arguments = 0;
    for input in &mut signature.inputs {
        let typed = match input {
            FnArg::Receiver(receiver) => {
                reject_self(receiver, problems);
                continue;
            }
            FnArg::Typed(typed) => typed,
        };
        let parameter = read_one(typed, problems);
        match &parameter {
            Some(Parameter::Argument(argument)) => {
                arguments += 1;
                if arguments == MAX_ARGUMENTS + 1 {
                    let text = format!(
                        "a task takes at most {MAX_ARGUMENTS} arguments: group them in a struct that derives \
                         `Serialize` and `Deserialize`"
                    );
                    problems.add(&argument.name, text);
                }
            }
            Some(_) if arguments > 0 => {
                let text = format!(
                    "`{}` is provided by the worker pool: put it before the arguments",
                    as_written(&typed.ty)
                );
                problems.add(typed, text);
            }
            _ => {}
        }
        parameters.extend(parameter);
    }
    parameters
}

fn reject_self(receiver: &Receiver, problems: &mut Problems) {
    let text = "a task has no `self`, which would no longer exist when it runs: write a function outside the `impl` \
                block, and pass what it needs as arguments or as `omniq::State<T>`";
    problems.add(receiver, text);
}

/// Reads one parameter. Returns `None` if it has no name.
fn read_one(typed: &mut PatType, problems: &mut Problems) -> Option<Parameter> {
    let default = take_default(&mut typed.attrs, problems);
    reject_conditions(&typed.attrs, problems);
    let ty = (*typed.ty).clone();
    let provided = if is_named(&ty, "TaskContext") {
        Some(Parameter::Context)
    } else {
        type_argument_of(&ty, "State").map(|inner| Parameter::State(inner.clone()))
    };
    if let Some(provided) = provided {
        if default.is_some() {
            let text = format!(
                "`{}` is provided by the worker pool, and needs no default",
                as_written(&ty)
            );
            problems.add(&ty, text);
        }
        return Some(provided);
    }
    let name = name_of(&typed.pat, problems);
    check_type(&ty, problems);
    Some(Parameter::Argument(Argument {
        name: name?,
        ty,
        default,
    }))
}

fn reject_conditions(attributes: &[Attribute], problems: &mut Problems) {
    for attribute in attributes {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            let text = "a parameter of a task can't be conditional, since tasks in the queue outlive a build: put \
                        the `cfg` on the function";
            problems.add(attribute, text);
        }
    }
}

/// Returns the name of an argument, or adds a problem if its pattern is more than a name.
fn name_of(pattern: &Pat, problems: &mut Problems) -> Option<Ident> {
    match pattern {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {
            return Some(name.ident.clone());
        }
        Pat::Wild(_) => {
            let text = "an argument has a name, by which callers in other languages pass it: write `_name` if it \
                        is not used";
            problems.add(pattern, text);
        }
        _ => {
            let text = "an argument has a name, by which callers in other languages pass it: write `name: Type`, \
                        and destructure the value in the body";
            problems.add(pattern, text);
        }
    }
    None
}

/// Adds a problem if the type of an argument can't be read from the queue.
fn check_type(ty: &Type, problems: &mut Problems) {
    let text = match ungrouped(ty) {
        Type::Reference(reference) if is_named(&reference.elem, "TaskContext") => {
            "take `TaskContext` instead of a reference: a clone of it refers to the same execution".to_owned()
        }
        Type::Reference(reference) => format!(
            "a task owns its arguments, since they come from the queue: take `{}` instead of `{}`",
            owned_type(reference),
            as_written(ty)
        ),
        _ if contains(ty, "impl") => {
            "a task takes named types, since its arguments are read from the queue as those types: name the type \
             instead of writing `impl`"
                .to_owned()
        }
        _ if contains(ty, "&") => format!(
            "a task owns its arguments, since they come from the queue: there is a reference in `{}`",
            as_written(ty)
        ),
        _ if borrows(ty) => format!(
            "a task owns its arguments, since they come from the queue: `{}` borrows; take a type that owns its \
             data",
            as_written(ty)
        ),
        _ if contains(ty, "Self") => SELF_TYPE.to_owned(),
        _ => return,
    };
    problems.add(ty, text);
}

/// Removes `#[omniq(default)]` or `#[omniq(default = ..)]` from a parameter, and returns the default.
fn take_default(attributes: &mut Vec<Attribute>, problems: &mut Problems) -> Option<DefaultValue> {
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
                Some(_) => DefaultValue::Expression(meta.input.parse()?),
                None => DefaultValue::OfType,
            });
            Ok(())
        });
        problems.ok_or_record(read);
    }
    default
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::parse_quote;

    use super::*;

    fn errors(mut signature: Signature) -> String {
        let mut problems = Problems::default();
        read(&mut signature, &mut problems);
        problems.into_code().unwrap_or_default().to_string()
    }

    #[test]
    fn parameters_are_distinguished_and_lose_our_attributes() {
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
            (first.unraw_name().as_str(), first.default.is_some()),
            ("type", false)
        );
        assert!(matches!(second.default, Some(DefaultValue::Expression(_))));
        assert!(matches!(third.default, Some(DefaultValue::OfType)));
        let kept = quote!(#signature).to_string();
        assert!(
            !kept.contains("omniq (") && kept.contains("allow"),
            "{kept}"
        );
    }

    #[test]
    fn invalid_parameters_are_reported_with_a_remedy() {
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
                "destructure the value in the body",
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
                "only option of a parameter",
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
            let errors = errors(signature);
            assert!(errors.contains(expected), "{shown}: {expected} in {errors}");
        }
    }

    #[test]
    fn at_most_sixteen_arguments_are_accepted() {
        let with = |count: usize| {
            let names: Vec<Ident> = (0..count).map(|at| quote::format_ident!("a{at}")).collect();
            errors(parse_quote!(fn f(ctx: TaskContext, #(#names: u8),*)))
        };
        assert_eq!(with(16), "");
        assert!(with(17).contains("at most 16 arguments"));
    }
}
