//! The code that makes an order.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;

use crate::generate::allowed;
use crate::parameters::Argument;
use crate::task::Task;

/// `with`, which takes the arguments and makes an order.
pub(crate) fn orders(task: &Task) -> TokenStream {
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
