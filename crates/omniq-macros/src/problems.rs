//! Collects the problems of a function, so that the compiler reports all of them at once.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The problems that were found so far.
#[derive(Default)]
pub(crate) struct Problems(Option<syn::Error>);

impl Problems {
    /// Adds a problem at these tokens.
    pub(crate) fn add(&mut self, at: impl ToTokens, text: impl Display) {
        self.add_error(syn::Error::new_spanned(at, text));
    }

    pub(crate) fn add_error(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(earlier) => earlier.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// Returns the value of an `Ok`, or adds the error.
    pub(crate) fn ok_or_record<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add_error(error)).ok()
    }

    /// Returns all problems as calls of `compile_error!`, or `None` if there are no problems.
    pub(crate) fn into_code(self) -> Option<TokenStream> {
        self.0.map(syn::Error::into_compile_error)
    }
}
