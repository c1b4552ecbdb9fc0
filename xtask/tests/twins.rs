//! The front door with async and the one without have the same methods.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use quote::ToTokens as _;
use syn::visit_mut::{VisitMut, visit_path_mut};
use syn::{ImplItem, Item, ItemImpl, Signature, Type, Visibility};
use xtask::{Source, sources};

/// A type, its twin, and how many methods they have at least: a comparison of nothing with nothing succeeds.
const TWINS: [(&str, &str, usize); 5] = [
    ("AsyncOmniQ", "OmniQ", 18),
    ("AsyncWorkerPool", "WorkerPool", 3),
    ("WorkerBuilder", "WorkerBuilder", 9),
    ("TaskHandle", "TaskHandle", 6),
    ("EventStream", "EventStream", 1),
];

/// The public methods of a type, by name, as they are written but for async.
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

/// A type's own methods; of traits, only the one that makes a stream an iterator.
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

fn without_async(mut signature: Signature) -> Signature {
    signature.asyncness = None;
    SameNames.visit_signature_mut(&mut signature);
    // A builder takes itself apart, or passes itself on.
    if let Some(syn::FnArg::Receiver(this)) = signature.inputs.first_mut() {
        this.mutability = None;
    }
    signature
}

/// Calls the async types as their twins.
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
fn both_front_doors_have_the_same_methods() {
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
