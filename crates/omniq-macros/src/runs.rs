//! The code by which a pool runs the function.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

use crate::parameters::{Argument, Default, Parameter};
use crate::returned::returned;
use crate::task::Task;

/// The handler. What can't be stored is told first, and once.
pub(crate) fn handler(task: &Task) -> TokenStream {
    let omniq = &task.options.omniq;
    let (context, arguments) = locals(task);
    let types: Vec<_> = task.arguments().map(|argument| &argument.ty).collect();
    let (pattern, bound) = if arguments.is_empty() {
        (quote!([]), quote!([(); 0]))
    } else {
        (quote!((#(#arguments,)*)), quote!((#(#types,)*)))
    };
    let parameters = task.arguments().map(|argument| parameter(argument, omniq));
    let needs = task.parameters.iter().filter_map(|p| match p {
        Parameter::State(ty) => Some(quote_spanned!(ty.span()=> .needs::<#ty>())),
        Parameter::Context | Parameter::Argument(_) => None,
    });
    // An error about the future as a whole points at the function's name.
    let at = task.function_name().span().resolved_at(Span::mixed_site());
    let (typed, async_move) = match task.function.signature.asyncness {
        Some(_) => (quote!(typed), Some(quote_spanned!(at=> async move))),
        None => (quote!(typed_blocking), None),
    };
    let ctx = match task.parameters.first() {
        Some(Parameter::Context | Parameter::State(_)) => quote!(#context),
        _ => quote!(_),
    };
    let body = body(task, &context, &arguments);
    let (value, error) = (returned(task, "Value"), returned(task, "Error"));
    let there = located(omniq, at);
    let runs = quote_spanned! {at=>
        #there::__private::Runs::<#bound, #value>::#typed(
            const { &[#(#parameters),*] },
            |#ctx: #omniq::TaskContext, #pattern: #bound| #async_move { #body },
        )
    };
    quote! {
        #[allow(unused_imports)]
        use #omniq::__private::{NotFailed as _, NotRun as _};
        #(#omniq::__private::argument::<#types>();)*
        #omniq::__private::output::<#value>();
        #omniq::__private::error::<#error>();
        #runs #(#needs)*
    }
}

/// The same path for another place in the code.
fn located(path: &Path, at: Span) -> TokenStream {
    let tokens = path.to_token_stream().into_iter().map(|mut token| {
        token.set_span(at);
        token
    });
    tokens.collect()
}

/// Names that nothing the user wrote can see: the context, and one for each argument.
fn locals(task: &Task) -> (Ident, Vec<Ident>) {
    let site = Span::mixed_site();
    let count = task.arguments().count();
    let arguments = (0..count).map(|at| format_ident!("argument_{at}", span = site));
    (Ident::new("ctx", site), arguments.collect())
}

fn body(task: &Task, context: &Ident, arguments: &[Ident]) -> TokenStream {
    let function = task.function_name();
    let mut arguments = arguments.iter();
    let given = task.parameters.iter().map(|parameter| match parameter {
        Parameter::Context => quote!(::core::clone::Clone::clone(&#context)),
        Parameter::State(ty) => quote!(#context.state::<#ty>()?),
        Parameter::Argument(_) => arguments.next().to_token_stream(),
    });
    let awaited = task.function.signature.asyncness.map(|_| quote!(.await));
    let (into_result, error) = (returned(task, "into_result"), returned(task, "Error"));
    let omniq = &task.options.omniq;
    quote!(#into_result(#function(#(#given),*) #awaited).map_err(#omniq::__private::Fails::<#error>::with))
}

fn parameter(argument: &Argument, omniq: &Path) -> TokenStream {
    let (called, ty) = (argument.called(), &argument.ty);
    let value = match &argument.default {
        None => return quote!(#omniq::Parameter::new(#called)),
        Some(Default::Code(code)) => code.to_token_stream(),
        Some(Default::OfTheType) => {
            quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default())
        }
    };
    quote! {
        #omniq::Parameter::new(#called).or(|| {
            let value: #ty = #value;
            #omniq::__private::default_value(&value)
        })
    }
}
