//! `#[omniq::task]`: makes a task of a function. Use it through the `omniq` crate, which explains it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod durations;
mod function;
mod generate;
mod nearest;
mod options;
mod parameters;
mod problems;
mod signature;
mod task;
mod types;
mod unique_key;
mod value;

use proc_macro::TokenStream;

/// Makes a task of a function. docs
#[proc_macro_attribute]
pub fn task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    task::expand(attribute.into(), item.into()).into()
}
