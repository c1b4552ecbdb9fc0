//! The code that takes what the function returns for a value or a failure.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ReturnType;

use crate::task::Task;

/// A member of the trait that sorts what the function returns. It spans the type, for errors to point there.
pub(crate) fn returned(task: &Task, member: &str) -> TokenStream {
    let omniq = &task.options.omniq;
    let output = task.output();
    let (first, last) = ends(task);
    let member = Ident::new(member, last);
    let probe = quote! {{
        #[allow(unused_imports)]
        use #omniq::__private::Plain as _;
        #omniq::__private::Probe::<#output>::FALLIBLE
    }};
    let begin = quote_spanned!(first=> <);
    let end = quote_spanned!(last=> >::#member);
    quote!(#begin #output as #omniq::__private::Returned<#probe> #end)
}

/// Where the return type begins and ends; at the function's name if there is none.
fn ends(task: &Task) -> (Span, Span) {
    let name = task.function_name().span();
    let spans = match &task.function.signature.output {
        ReturnType::Default => vec![],
        ReturnType::Type(_, ty) => {
            let trees = ty.to_token_stream().into_iter();
            trees.map(|tree| tree.span()).collect()
        }
    };
    let generated = |span: Option<&Span>| span.unwrap_or(&name).resolved_at(Span::call_site());
    (generated(spans.first()), generated(spans.last()))
}
