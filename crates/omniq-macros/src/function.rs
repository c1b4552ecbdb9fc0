//! Parses the function under the attribute. The body is kept as tokens, so that one that is still incomplete is accepted.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Signature, Token, Visibility, token};

pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    body: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        if !is_function(input) {
            let text = "`#[omniq::task]` turns a function into a task: write it above `async fn name(..)`, or above \
                        `fn name(..)` for one that blocks its thread";
            return Err(input.error(text));
        }
        let signature: Signature = input.parse()?;
        if !input.peek(token::Brace) {
            let text = "a task needs a body: it is a free function, not a method of a trait";
            return Err(syn::Error::new_spanned(signature, text));
        }
        Ok(Self {
            attributes,
            visibility,
            signature,
            body: input.parse()?,
        })
    }
}

/// Returns whether the next item is a function: `fn`, after qualifiers such as `async`.
fn is_function(input: ParseStream) -> bool {
    let ahead = input.fork();
    let skip_qualifier = |ahead: ParseStream| {
        ahead.parse::<Token![const]>().is_ok()
            || ahead.parse::<Token![async]>().is_ok()
            || ahead.parse::<Token![unsafe]>().is_ok()
            || ahead.parse::<syn::Abi>().is_ok()
    };
    while skip_qualifier(&ahead) {}
    ahead.peek(Token![fn])
}

impl Function {
    /// Returns the attributes with one of these names.
    pub(crate) fn attributes_named<'a>(
        &'a self,
        names: &'a [&str],
    ) -> impl Iterator<Item = &'a Attribute> {
        self.attributes
            .iter()
            .filter(|attribute| names.iter().any(|name| attribute.path().is_ident(*name)))
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            attributes,
            visibility,
            signature,
            body,
        } = self;
        tokens.extend(quote!(#(#attributes)* #visibility #signature #body));
    }
}
