//! A task as it was read: the function, its parameters and the attribute's options.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{ReturnType, Type, parse_quote};

use crate::function::Function;
use crate::options::Options;
use crate::parameters::{Argument, Parameter};
use crate::problems::Problems;
use crate::{generate, parameters, signature, unique_key};

pub(crate) struct Task {
    pub(crate) function: Function,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) options: Options,
}

/// What the attribute puts in the place of the function.
pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#error #item);
        }
    };
    let mut problems = Problems::default();
    let options = Options::read(attribute, &mut problems);
    signature::check(&function.signature, &mut problems);
    let parameters = parameters::read(&mut function.signature, &mut problems);
    let task = Task {
        function,
        parameters,
        options,
    };
    task.check_unique_key(&mut problems);
    match problems.into_code() {
        None => generate::code(&task),
        // The function stays, so that its callers add no errors of their own.
        Some(errors) => {
            let function = task.function;
            quote!(#errors #function)
        }
    }
}

impl Task {
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.parameters.iter().filter_map(|p| match p {
            Parameter::Argument(argument) => Some(argument),
            Parameter::Context | Parameter::State(_) => None,
        })
    }

    pub(crate) fn function_name(&self) -> &Ident {
        &self.function.signature.ident
    }

    /// The name of the type beside the function.
    pub(crate) fn type_name(&self) -> &Ident {
        self.options.order.as_ref().unwrap_or(self.function_name())
    }

    pub(crate) fn output(&self) -> Type {
        match &self.function.signature.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        }
    }

    fn check_unique_key(&self, problems: &mut Problems) {
        if let Some(key) = &self.options.unique_key {
            let names: Vec<String> = self.arguments().map(Argument::called).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            problems.keep(unique_key::check(key, &names));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_all_kinds_are_told_at_once_and_the_function_stays() {
        let attribute = quote!(timout = "3s", unique_key = "{pth}");
        let item = quote!(
            async unsafe fn resize<T>(#[omniq(default)] path: String, text: &str) {
                body()
            }
        );
        let code = expand(attribute, item).to_string();
        assert_eq!(code.matches("compile_error").count(), 5, "{code}");
        let left = "async unsafe fn resize < T > (path : String , text : & str) { body () }";
        assert!(code.ends_with(left), "{code}");
    }

    #[test]
    fn what_is_no_function_is_told_and_stays() {
        for (item, expected) in [
            (
                quote!(
                    pub struct Resize;
                ),
                "makes a task of a function",
            ),
            (
                quote!(
                    const A: u8 = 1;
                ),
                "makes a task of a function",
            ),
            (
                quote!(
                    async fn resize(path: String);
                ),
                "needs a body",
            ),
        ] {
            let code = expand(quote!(), item.clone()).to_string();
            assert!(code.contains(expected), "{expected} in {code}");
            assert!(code.ends_with(&item.to_string()), "{code}");
        }
    }

    #[test]
    fn a_body_may_be_unfinished_while_it_is_typed() {
        let code = expand(quote!(), quote!(fn f() { ctx. })).to_string();
        assert!(!code.contains("compile_error"), "{code}");
    }
}
