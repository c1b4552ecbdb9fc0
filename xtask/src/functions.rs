//! Measures the functions of a source text.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, Signature, TraitItemFn};

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its signature.
    pub line: usize,
    /// How many lines it has, from its signature to its closing brace.
    pub lines: usize,
}

/// Returns the functions of a source text, methods and inner functions included, in the order of the text.
///
/// # Errors
///
/// If the text is no valid Rust.
pub fn functions(text: &str) -> syn::Result<Vec<Function>> {
    let mut found = Found(Vec::new());
    found.visit_file(&syn::parse_file(text)?);
    Ok(found.0)
}

struct Found(Vec<Function>);

impl Found {
    fn add(&mut self, start: Span, signature: &Signature, body: &Block) {
        let line = start.start().line;
        let last = body.brace_token.span.close().end().line;
        self.0.push(Function {
            name: signature.ident.to_string(),
            line,
            lines: last + 1 - line,
        });
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.add(item.sig.span(), &item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.add(item.sig.span(), &item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.add(item.sig.span(), &item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_counted_from_the_signature_to_the_closing_brace() {
        let text = "/// Documented.\n#[inline]\npub(crate) async fn a(\n    x: u8,\n) {\n    fn inner() {}\n}\n\
                    trait T {\n    fn none();\n    fn b() {\n    }\n}\nimpl S {\n    fn c() {}\n}\n";
        let found: Vec<_> = functions(text)
            .unwrap()
            .into_iter()
            .map(|f| (f.name, f.line, f.lines))
            .collect();
        let expected = [("a", 3, 5), ("inner", 6, 1), ("b", 10, 2), ("c", 14, 1)];
        assert_eq!(
            found,
            expected.map(|(n, line, lines)| (n.to_owned(), line, lines))
        );
    }
}
