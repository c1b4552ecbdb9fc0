//! Generates the handler, with which a worker pool runs the function.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

use crate::parameters::{Argument, DefaultValue, Parameter};
use crate::return_type::returned_item;
use crate::task::Task;

/// Returns an expression for the `Handler`.
///
/// It begins with checks that each type can be stored. A type that can't be stored is an error there, and only there: for such
/// a type, the rest of the generated code resolves to functions of the traits `NotRun` and `NotFailed`, which compile for any type.
pub(crate) fn handler(task: &Task) -> TokenStream {
    let omniq = &task.options.omniq;
    let (context, arguments) = local_names(task);
    let types: Vec<_> = task.arguments().map(|argument| &argument.ty).collect();
    let (pattern, arguments_type) = if arguments.is_empty() {
        (quote!([]), quote!([(); 0]))
    } else {
        (quote!((#(#arguments,)*)), quote!((#(#types,)*)))
    };
    let parameters = task.arguments().map(|argument| parameter(argument, omniq));
    let needed_states = task.parameters.iter().filter_map(|p| match p {
        Parameter::State(ty) => Some(quote_spanned!(ty.span()=> .needs::<#ty>())),
        Parameter::Context | Parameter::Argument(_) => None,
    });
    // With this span, an error about the future points at the function's name.
    let name_span = task.function_name().span().resolved_at(Span::mixed_site());
    let (constructor, async_move) = match task.function.signature.asyncness {
        Some(_) => (quote!(typed), Some(quote_spanned!(name_span=> async move))),
        None => (quote!(typed_blocking), None),
    };
    let context_pattern = match task.parameters.first() {
        Some(Parameter::Context | Parameter::State(_)) => quote!(#context),
        _ => quote!(_),
    };
    let body = body(task, &context, &arguments);
    let (value, error) = (returned_item(task, "Value"), returned_item(task, "Error"));
    let omniq_at_name = with_span(omniq, name_span);
    let new_handler = quote_spanned! {name_span=>
        #omniq_at_name::__private::Runs::<#arguments_type, #value>::#constructor(
            const { &[#(#parameters),*] },
            |#context_pattern: #omniq::TaskContext, #pattern: #arguments_type| #async_move { #body },
        )
    };
    quote! {
        #[allow(unused_imports)]
        use #omniq::__private::{NotFailed as _, NotRun as _};
        #(#omniq::__private::argument::<#types>();)*
        #omniq::__private::output::<#value>();
        #omniq::__private::error::<#error>();
        #new_handler #(#needed_states)*
    }
}

/// Returns the path with another span.
fn with_span(path: &Path, span: Span) -> TokenStream {
    let tokens = path.to_token_stream().into_iter().map(|mut token| {
        token.set_span(span);
        token
    });
    tokens.collect()
}

/// Returns names for the context and for each argument. Code that the user wrote can't refer to them, because of their hygiene.
fn local_names(task: &Task) -> (Ident, Vec<Ident>) {
    let site = Span::mixed_site();
    let count = task.arguments().count();
    let arguments = (0..count).map(|index| format_ident!("argument_{index}", span = site));
    (Ident::new("ctx", site), arguments.collect())
}

/// Returns the body of the handler: a call of the function, with its result as a `Result`.
fn body(task: &Task, context: &Ident, arguments: &[Ident]) -> TokenStream {
    let function = task.function_name();
    let mut arguments = arguments.iter();
    let passed = task.parameters.iter().map(|parameter| match parameter {
        Parameter::Context => quote!(::core::clone::Clone::clone(&#context)),
        Parameter::State(ty) => quote!(#context.state::<#ty>()?),
        Parameter::Argument(_) => arguments.next().to_token_stream(),
    });
    let awaited = task.function.signature.asyncness.map(|_| quote!(.await));
    let (into_result, error) = (
        returned_item(task, "into_result"),
        returned_item(task, "Error"),
    );
    let omniq = &task.options.omniq;
    quote!(#into_result(#function(#(#passed),*) #awaited).map_err(#omniq::__private::Fails::<#error>::with))
}

/// Returns an expression for the `Parameter` of an argument: its name and its default.
fn parameter(argument: &Argument, omniq: &Path) -> TokenStream {
    let (name, ty) = (argument.unraw_name(), &argument.ty);
    let value = match &argument.default {
        None => return quote!(#omniq::Parameter::new(#name)),
        Some(DefaultValue::Expression(code)) => code.to_token_stream(),
        Some(DefaultValue::OfType) => {
            quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default())
        }
    };
    quote! {
        #omniq::Parameter::new(#name).or(|| {
            let value: #ty = #value;
            #omniq::__private::default_value(&value)
        })
    }
}
