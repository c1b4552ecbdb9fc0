//! Generates the code beside the function: a type, and its implementation of `TaskDef`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;

use crate::handler_impl::handler;
use crate::lints::allow_lints;
use crate::order_impl::order_impl;
use crate::return_type::returned_item;
use crate::task::Task;

/// Returns the function itself and everything that is generated beside it.
pub(crate) fn code(task: &Task) -> TokenStream {
    let function = &task.function;
    let task_type = task_type(task);
    let cfg = function.attributes_named(&["cfg"]);
    let cfg = quote!(#(#cfg)*);
    let impls = [task_def_impl(task), order_impl(task)];
    quote! {
        #function
        #task_type
        #(#cfg #impls)*
    }
}

/// Returns the definition of the type. Its braces keep it out of the namespace of values, where the function has the same name.
fn task_type(task: &Task) -> TokenStream {
    let visibility = &task.function.visibility;
    let name = task.type_name();
    let copied_attributes = task.function.attributes_named(&["cfg", "deprecated"]);
    let doc = format!(
        "The task type of [`{}()`]: [`with`](Self::with) makes an order for the queue, and \
         `worker().task::<{name}>()` lets a worker pool run it.",
        task.function_name().unraw(),
    );
    let allow_lints = allow_lints();
    quote! {
        #(#copied_attributes)*
        #[doc = #doc]
        #allow_lints
        #visibility struct #name {}
    }
}

/// Returns the implementation of `TaskDef`: name, output and handler.
fn task_def_impl(task: &Task) -> TokenStream {
    let omniq = &task.options.omniq;
    let name = task.type_name();
    let allow_lints = allow_lints();
    let output = returned_item(task, "Value");
    let task_name = task_name(task);
    let handler = handler(task);
    quote! {
        #allow_lints
        impl #omniq::TaskDef for #name {
            type Output = #output;
            const NAME: &'static ::core::primitive::str = #task_name;

            fn handler() -> #omniq::Handler {
                #handler
            }
        }
    }
}

/// Returns an expression for the task's name in the queue: the option `name`, or a name made of the module's path.
fn task_name(task: &Task) -> TokenStream {
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
            ::core::result::Result::Err(_) => ::core::panic!("the path of a Rust module is valid UTF-8"),
        }
    }}
}
