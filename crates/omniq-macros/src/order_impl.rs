//! Generates `with`, which makes an order.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;

use crate::lints::allow_lints;
use crate::parameters::Argument;
use crate::task::Task;

/// Returns the `impl` block with `with`, which takes the arguments and returns an order.
pub(crate) fn order_impl(task: &Task) -> TokenStream {
    let omniq = &task.options.omniq;
    let visibility = &task.function.visibility;
    let type_name = task.type_name();
    let function = task.function_name().unraw().to_string();
    let doc = format!(
        "Makes an order for the queue: a worker pool will call `{function}` with these arguments."
    );
    let allow_lints = allow_lints();
    let (names, types): (Vec<_>, Vec<_>) = task.arguments().map(|a| (&a.name, &a.ty)).unzip();
    let unraw_names = task.arguments().map(Argument::unraw_name);
    let option_calls = option_calls(task);
    let order = Ident::new("order", Span::mixed_site());
    // This span makes the compiler's notes about a wrong call, and "go to definition", lead to the function.
    let with = task.function_name().span().resolved_at(Span::call_site());
    let with = Ident::new("with", with);
    quote! {
        #allow_lints
        impl #type_name {
            #[doc = #doc]
            #visibility fn #with(#(#names: #types),*) -> #omniq::Order<<Self as #omniq::TaskDef>::Output> {
                #[allow(unused_imports)]
                use #omniq::__private::NotGiven as _;
                let #order = #omniq::Order::new(<Self as #omniq::TaskDef>::NAME) #option_calls;
                #(let #order = #omniq::__private::Given::<#types>::add(#order, #unraw_names, #names);)*
                #order
            }
        }
    }
}

/// Returns the method calls that apply the options to the order. The unique key is formatted here, before the arguments are moved.
fn option_calls(task: &Task) -> TokenStream {
    let options = &task.options;
    let queue = options.queue.as_ref().map(|queue| quote!(.queue(#queue)));
    let priority = options
        .priority
        .map(|priority| quote!(.priority(#priority)));
    let attempts = options
        .max_attempts
        .map(|attempts| quote!(.max_attempts(#attempts)));
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
