//! The lints that generated code is exempt from.

use proc_macro2::TokenStream;
use quote::quote;

/// Returns an `#[allow(..)]` attribute. Without it, lints of the user's crate would warn about code that nobody wrote by hand.
pub(crate) fn allow_lints() -> TokenStream {
    quote! {
        #[allow(
            dead_code, deprecated, non_camel_case_types, non_snake_case, unreachable_pub, unused_qualifications,
            clippy::too_many_arguments, clippy::used_underscore_binding
        )]
    }
}
