//! The code beside the function: its type, and what that knows of the task.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;

use crate::orders::orders;
use crate::returned::returned;
use crate::runs::handler;
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
pub(crate) fn allowed() -> TokenStream {
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
    let kept = task.function.attributes_called(&["cfg", "deprecated"]);
    let doc = format!(
        "The task of [`{}()`]: [`with`](Self::with) makes an order for the queue, and \
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
