//! The code beside the function: its type, the orders that it makes, and how a pool runs it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, Path, ReturnType};

use crate::parameters::{Argument, Default, Parameter};
use crate::task::Task;

pub(crate) fn code(task: &Task) -> TokenStream {
    let function = &task.function;
    let type_itself = type_itself(task);
    let cfg = function.attributes_called(&["cfg"]);
    let cfg = quote!(#(#cfg)*);
    let parts = [definition(task), orders(task)];
    quote! {
        #function
        #type_itself
        #(#cfg #parts)*
    }
}

/// Lints of the user's own crate that would speak about code nobody wrote.
fn allowed() -> TokenStream {
    quote! {
        #[allow(
            dead_code, deprecated, non_camel_case_types, non_snake_case, unreachable_pub, unused_qualifications,
            clippy::too_many_arguments, clippy::used_underscore_binding
        )]
    }
}

/// Braced, so that it lives among the types only and leaves the function its name.
fn type_itself(task: &Task) -> TokenStream {
    let visibility = &task.function.visibility;
    let name = task.type_name();
    let kept = task
        .function
        .attributes_called(&["cfg", "doc", "deprecated"]);
    let doc = format!(
        "\n\nThe task `{}` as a type: `{name}::with` makes an order for the queue, and \
         `worker().task::<{name}>()` runs it.",
        task.function_name().unraw(),
    );
    let allowed = allowed();
    quote! {
        #(#kept)*
        #[doc = #doc]
        #allowed
        #visibility struct #name {}
    }
}

/// `with`, which takes the arguments and makes an order.
fn orders(task: &Task) -> TokenStream {
    let omniq = &task.options.omniq;
    let visibility = &task.function.visibility;
    let name = task.type_name();
    let function = task.function_name().unraw().to_string();
    let doc =
        format!("An order for the queue: a worker pool calls `{function}` with these arguments.");
    let allowed = allowed();
    let (names, types): (Vec<_>, Vec<_>) = task.arguments().map(|a| (&a.name, &a.ty)).unzip();
    let called = task.arguments().map(Argument::called);
    let options = options(task);
    let order = Ident::new("order", Span::mixed_site());
    // Notes about a wrong call, and "go to definition", lead to the function.
    let with = task.function_name().span().resolved_at(Span::call_site());
    let with = Ident::new("with", with);
    quote! {
        #allowed
        impl #name {
            #[doc = #doc]
            #visibility fn #with(#(#names: #types),*) -> #omniq::Order<<Self as #omniq::TaskDef>::Output> {
                #[allow(unused_imports)]
                use #omniq::__private::NotGiven as _;
                let #order = #omniq::Order::new(<Self as #omniq::TaskDef>::NAME) #options;
                #(let #order = #omniq::__private::Given::<#types>::add(#order, #called, #names);)*
                #order
            }
        }
    }
}

/// The attribute's options, on an order. The unique key is made before the arguments move.
fn options(task: &Task) -> TokenStream {
    let options = &task.options;
    let queue = options.queue.as_ref().map(|queue| quote!(.queue(#queue)));
    let priority = options
        .priority
        .map(|priority| quote!(.priority(#priority)));
    let attempts = options
        .max_attempts
        .map(|most| quote!(.max_attempts(#most)));
    let timeout = options.timeout.as_ref().map(|timeout| {
        let timeout = timeout.to_code();
        quote!(.timeout(#timeout))
    });
    let interval = options.interval.as_ref().map(|interval| {
        let interval = interval.to_code();
        quote!(.interval(#interval))
    });
    let backoff = options.backoff.as_ref().map(|backoff| {
        let backoff = backoff.to_code(&options.omniq);
        quote!(.backoff(#backoff))
    });
    let key = options
        .unique_key
        .as_ref()
        .map(|key| quote!(.unique_key(::std::format!(#key))));
    quote!(#queue #priority #attempts #timeout #interval #backoff #key)
}

/// The `TaskDef`: name, output and handler.
fn definition(task: &Task) -> TokenStream {
    let omniq = &task.options.omniq;
    let name = task.type_name();
    let allowed = allowed();
    let output = returned(task, "Value");
    let called = called(task);
    let handler = handler(task);
    quote! {
        #allowed
        impl #omniq::TaskDef for #name {
            type Output = #output;
            const NAME: &'static ::core::primitive::str = #called;

            fn handler() -> #omniq::Handler {
                #handler
            }
        }
    }
}

/// The name in the queue.
fn called(task: &Task) -> TokenStream {
    if let Some(name) = &task.options.name {
        return name.to_token_stream();
    }
    let omniq = &task.options.omniq;
    let function = task.function_name().unraw().to_string();
    quote! {{
        const PATH: &::core::primitive::str =
            ::core::concat!(::core::module_path!(), "::", #function);
        const BYTES: [::core::primitive::u8; #omniq::__private::name_len(PATH)] =
            #omniq::__private::name_bytes(PATH);
        match ::core::str::from_utf8(&BYTES) {
            ::core::result::Result::Ok(name) => name,
            ::core::result::Result::Err(_) => ::core::panic!("a path in Rust is text"),
        }
    }}
}

/// A member of the trait that sorts what the function returns. It spans the type, for errors to point there.
fn returned(task: &Task, member: &str) -> TokenStream {
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

/// How a pool runs the function. What can't be stored is told first, and once.
fn handler(task: &Task) -> TokenStream {
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
