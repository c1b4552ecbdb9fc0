//! Generates the code that splits the return type into a value and an error.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ReturnType;

use crate::task::Task;

/// Returns the path of an item of the trait `Returned`, which the function's return type implements: `Value`, `Error` or `into_result`.
///
/// Whether the type is a `Result` is only known once its aliases are resolved, so the generated code asks `Probe`.
/// The path has the span of the return type, so that compiler errors point there.
pub(crate) fn returned_item(task: &Task, item: &str) -> TokenStream {
    let omniq = &task.options.omniq;
    let output = task.output();
    let (first, last) = end_spans(task);
    let item = Ident::new(item, last);
    let probe = quote! {{
        #[allow(unused_imports)]
        use #omniq::__private::Plain as _;
        #omniq::__private::Probe::<#output>::FALLIBLE
    }};
    let begin = quote_spanned!(first=> <);
    let end = quote_spanned!(last=> >::#item);
    quote!(#begin #output as #omniq::__private::Returned<#probe> #end)
}

/// Returns the spans of the first and the last token of the return type, or of the function's name if there is no return type.
fn end_spans(task: &Task) -> (Span, Span) {
    let name = task.function_name().span();
    let spans = match &task.function.signature.output {
        ReturnType::Default => vec![],
        ReturnType::Type(_, ty) => {
            let trees = ty.to_token_stream().into_iter();
            trees.map(|tree| tree.span()).collect()
        }
    };
    let span_or_name = |span: Option<&Span>| span.unwrap_or(&name).resolved_at(Span::call_site());
    (span_or_name(spans.first()), span_or_name(spans.last()))
}
