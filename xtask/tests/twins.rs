//! The async types and the blocking types have the same methods.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use quote::ToTokens as _;
use syn::visit_mut::{VisitMut, visit_path_mut};
use syn::{ImplItem, Item, ItemImpl, Signature, Type, Visibility};
use xtask::{Source, sources};

/// An async type, its blocking twin, and how many methods each has at least. (Without the number, a comparison of no methods with
/// no methods would succeed.)
const TWINS: [(&str, &str, usize); 5] = [
    ("AsyncOmniQ", "OmniQ", 18),
    ("AsyncWorkerPool", "WorkerPool", 3),
    ("WorkerBuilder", "WorkerBuilder", 9),
    ("TaskHandle", "TaskHandle", 6),
    ("EventStream", "EventStream", 1),
];

/// Returns the signatures of the public methods of a type, by name, without `async`.
fn methods(files: &[&Source], of: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for file in files {
        for item in syn::parse_file(&file.text).unwrap().items {
            if let Item::Impl(block) = item
                && is_of(&block, of)
            {
                found.extend(block.items.iter().filter_map(|item| method(&block, item)));
            }
        }
    }
    found
}

/// Whether a block has methods of the type: its own, or those of `Iterator`. Other traits are not compared.
fn is_of(block: &ItemImpl, of: &str) -> bool {
    let Type::Path(path) = &*block.self_ty else {
        return false;
    };
    let named = path
        .path
        .segments
        .last()
        .is_some_and(|last| last.ident == of);
    let own = match &block.trait_ {
        None => true,
        Some((path, _)) => path.is_ident("Iterator"),
    };
    named && own
}

/// Returns the name and the signature of a public method.
fn method(block: &ItemImpl, item: &ImplItem) -> Option<(String, String)> {
    let ImplItem::Fn(method) = item else {
        return None;
    };
    let public = matches!(method.vis, Visibility::Public(_)) || block.trait_.is_some();
    let signature = without_async(method.sig.clone());
    public.then(|| {
        (
            signature.ident.to_string(),
            signature.to_token_stream().to_string(),
        )
    })
}

/// Returns a signature without the differences that twins may have.
fn without_async(mut signature: Signature) -> Signature {
    signature.asyncness = None;
    SameNames.visit_signature_mut(&mut signature);
    // A builder may take `mut self` where its twin takes `self`: callers can't tell them apart.
    if let Some(syn::FnArg::Receiver(this)) = signature.inputs.first_mut() {
        this.mutability = None;
    }
    signature
}

/// Replaces the names of async types by those of their twins.
struct SameNames;

impl VisitMut for SameNames {
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        for segment in &mut path.segments {
            let twin = TWINS.iter().find(|(name, _, _)| segment.ident == name);
            if let Some((_, twin, _)) = twin {
                segment.ident = syn::Ident::new(twin, segment.ident.span());
            }
        }
        visit_path_mut(self, path);
    }
}

#[test]
fn async_and_blocking_types_have_the_same_methods() {
    let sources = sources().unwrap();
    let is_blocking = |source: &&Source| source.path.starts_with("crates/omniq/src/blocking/");
    let in_omniq = |source: &&Source| source.path.starts_with("crates/omniq/src/");
    let (blocking, others): (Vec<_>, Vec<_>) =
        sources.iter().filter(in_omniq).partition(is_blocking);
    for (name, twin, at_least) in TWINS {
        let expected = methods(&others, name);
        assert!(expected.len() >= at_least, "{name}: {:?}", expected.keys());
        assert_eq!(methods(&blocking, twin), expected, "{twin}, then {name}");
    }
}

#[test]
fn every_public_blocking_type_has_a_twin() {
    let mut found = Vec::new();
    for source in sources().unwrap() {
        if source.path.starts_with("crates/omniq/src/blocking/") {
            let items = syn::parse_file(&source.text).unwrap().items.into_iter();
            found.extend(items.filter_map(public_struct));
        }
    }
    found.sort();
    let mut twins = TWINS.map(|(_, twin, _)| twin);
    twins.sort_unstable();
    assert_eq!(
        found, twins,
        "each needs a line in TWINS, and an async type"
    );
}

/// Returns the name of a public struct.
fn public_struct(item: Item) -> Option<String> {
    match item {
        Item::Struct(item) if matches!(item.vis, Visibility::Public(_)) => {
            Some(item.ident.to_string())
        }
        _ => None,
    }
}
