//! Rejects what the signature of a task can't have, except for its parameters.

use syn::{GenericParam, ReturnType, Safety, Signature, Type};

use crate::problems::Problems;
use crate::types::{SELF_TYPE, contains, owned_type, ungrouped};

/// Adds a problem for each part of the signature that a task can't have.
pub(crate) fn check(signature: &Signature, problems: &mut Problems) {
    check_qualifiers(signature, problems);
    check_generics(signature, problems);
    if let Some(dots) = &signature.variadic {
        let text = "a task takes a fixed number of arguments: take a `Vec` instead";
        problems.add(dots, text);
    }
    if let ReturnType::Type(_, output) = &signature.output {
        check_output(output, problems);
    }
}

fn check_qualifiers(signature: &Signature, problems: &mut Problems) {
    if let Some(word) = &signature.constness {
        let text =
            "a task can't be `const`: it runs when a worker pool claims it; leave `const` out";
        problems.add(word, text);
    }
    if let Safety::Unsafe(word) = &signature.safety {
        let text = "a task can't be `unsafe`: a worker pool calls it with any arguments from the queue, \
                    and can't uphold its safety contract; make it safe";
        problems.add(word, text);
    }
    if let Some(abi) = &signature.abi {
        let text = "a task can't be `extern`: a worker pool calls it as a Rust function; leave `extern` out";
        problems.add(abi, text);
    }
}

fn check_generics(signature: &Signature, problems: &mut Problems) {
    for parameter in &signature.generics.params {
        match parameter {
            GenericParam::Lifetime(lifetime) => {
                let text =
                    "a task has no lifetimes: its arguments come from the queue, so it owns them";
                problems.add(lifetime, text);
            }
            GenericParam::Type(_) | GenericParam::Const(_) => {
                let text = "a task has no type parameters: one name in the queue can't stand for many types; \
                            write one task per type";
                problems.add(parameter, text);
            }
        }
    }
    if let Some(clause) = &signature.generics.where_clause {
        let text = "a task has no `where` clause: it has no type parameters";
        problems.add(clause, text);
    }
}

fn check_output(output: &Type, problems: &mut Problems) {
    let text = match ungrouped(output) {
        Type::Never(_) => {
            let text = "a task has to end: its outcome is stored; return `()`, and repeat it with `interval`";
            return problems.add(output, text);
        }
        Type::Reference(reference) => {
            let reason = "a task returns an owned value, since the value is stored";
            format!("{reason}: return `{}`", owned_type(reference))
        }
        _ if contains(output, "impl") => {
            "a task returns a named type, since a caller that waits for the value reads it as that type: name the \
             type instead of writing `impl`"
                .to_owned()
        }
        _ if contains(output, "Self") => SELF_TYPE.to_owned(),
        _ => return,
    };
    problems.add(output, text);
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn what_a_signature_cannot_have_is_reported_with_a_remedy() {
        let cases: [(Signature, &str); 11] = [
            (parse_quote!(fn f<T>(x: T)), "write one task per type"),
            (parse_quote!(fn f<const N: usize>()), "no type parameters"),
            (parse_quote!(fn f<'a>()), "no lifetimes"),
            (parse_quote!(fn f() where u8: Copy), "no `where`"),
            (parse_quote!(const fn f()), "leave `const` out"),
            (parse_quote!(unsafe fn f()), "make it safe"),
            (parse_quote!(extern "C" fn f()), "leave `extern` out"),
            (
                parse_quote!(unsafe extern "C" fn f(a: u8, ...)),
                "take a `Vec` instead",
            ),
            (parse_quote!(fn f() -> &'static str), "return `String`"),
            (
                parse_quote!(fn f() -> Option<impl Copy>),
                "instead of writing `impl`",
            ),
            (parse_quote!(fn f() -> !), "has to end"),
        ];
        for (signature, expected) in cases {
            let mut problems = Problems::default();
            check(&signature, &mut problems);
            let errors = problems.into_code().unwrap().to_string();
            assert!(errors.contains(expected), "{expected} in {errors}");
        }
    }

    #[test]
    fn an_error_may_be_a_borrowed_string() {
        let signature = parse_quote!(async fn f() -> Result<u8, &'static str>);
        let mut problems = Problems::default();
        check(&signature, &mut problems);
        assert!(problems.into_code().is_none());
    }
}
