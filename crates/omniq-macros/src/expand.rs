//! Expands the attribute: parses and checks the function, then generates the code or reports all problems.

use proc_macro2::TokenStream;
use quote::quote;

use crate::function::Function;
use crate::options::Options;
use crate::problems::Problems;
use crate::task::Task;
use crate::{generate, parameters, signature};

/// Returns the code that replaces the function under the attribute.
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
        // The function is kept, so that its callers cause no further errors.
        Some(errors) => {
            let function = task.function;
            quote!(#errors #function)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_all_kinds_are_reported_together_and_the_function_is_kept() {
        let attribute = quote!(timout = "3s", unique_key = "{pth}");
        let item = quote!(
            async unsafe fn resize<T>(#[omniq(default)] path: String, text: &str) {
                body()
            }
        );
        let code = expand(attribute, item).to_string();
        assert_eq!(code.matches("compile_error").count(), 5, "{code}");
        let kept = "async unsafe fn resize < T > (path : String , text : & str) { body () }";
        assert!(code.ends_with(kept), "{code}");
    }

    #[test]
    fn items_that_are_not_functions_are_reported_and_kept() {
        for (item, expected) in [
            (
                quote!(
                    pub struct Resize;
                ),
                "turns a function into a task",
            ),
            (
                quote!(
                    const A: u8 = 1;
                ),
                "turns a function into a task",
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
    fn an_incomplete_body_is_accepted() {
        let code = expand(quote!(), quote!(fn f() { ctx. })).to_string();
        assert!(!code.contains("compile_error"), "{code}");
    }
}
