//! Recognises unit tests inside source files, and removes them from a text.

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Meta};

/// Whether code with these attributes is compiled for unit tests only: `#[cfg(test)]`, `#[cfg(all(test, …))]`, `#[test]`.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => requires_test(list.tokens.clone()),
        _ => false,
    })
}

/// Whether a condition of `cfg` demands `test`. Conditions below `not` and `any` demand nothing.
fn requires_test(condition: TokenStream) -> bool {
    let mut last = String::new();
    for token in condition {
        match token {
            TokenTree::Group(group) if last == "all" && requires_test(group.stream()) => {
                return true;
            }
            TokenTree::Ident(ident) if ident == "test" => return true,
            token => last = token.to_string(),
        }
    }
    false
}

/// Returns the attributes of an item.
pub fn item_attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns the attributes of an item of an `impl` block.
pub fn impl_item_attributes(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns a source text with empty lines in place of the items that are compiled for unit tests only.
///
/// # Errors
///
/// If the text is no valid Rust.
pub fn without_tests(text: &str) -> syn::Result<String> {
    let mut tests = TestLines::default();
    tests.visit_file(&syn::parse_file(text)?);
    let kept = text.lines().enumerate().map(|(index, line)| {
        let number = index + 1;
        let test = tests
            .0
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&number));
        if test { "" } else { line }
    });
    let kept = kept.collect::<Vec<_>>().join("\n");
    Ok(format!("{}\n", kept.trim_end()))
}

/// The first and last lines of the test items of a file.
#[derive(Default)]
struct TestLines(Vec<(usize, usize)>);

impl TestLines {
    fn add(&mut self, span: proc_macro2::Span) {
        self.0.push((span.start().line, span.end().line));
    }
}

impl<'ast> Visit<'ast> for TestLines {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test(item_attributes(item)) {
            self.add(item.span());
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if is_test(impl_item_attributes(item)) {
            self.add(item.span());
        } else {
            visit::visit_impl_item(self, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_items_become_empty_lines_and_others_stay() {
        let text = "fn a() {}\n\n#[cfg(test)]\nmod rehearsal;\n\n#[cfg(not(test))]\nfn b() {}\n\n/// Tests.\n#[cfg(all(test, unix))]\nmod tests {\n}\n";
        let expected = "fn a() {}\n\n\n\n\n#[cfg(not(test))]\nfn b() {}\n";
        assert_eq!(without_tests(text).unwrap(), expected);
    }

    #[test]
    fn a_condition_that_does_not_demand_test_keeps_the_item() {
        for text in [
            "#[cfg(any(test, feature = \"x\"))]\nfn a() {}\n",
            "#[cfg(not(test))]\nfn a() {}\n",
            "#[cfg(feature = \"test\")]\nfn a() {}\n",
        ] {
            assert_eq!(without_tests(text).unwrap(), text);
        }
    }
}
