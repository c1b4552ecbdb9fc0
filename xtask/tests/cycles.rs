//! The files of a crate don't use each other in a circle, directly or through others.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use xtask::cycles::{cycles, describe};
use xtask::import_graph::ImportGraph;
use xtask::sources::{files_below, from_root};
use xtask::{root, sources};

/// Edges that may be part of a cycle: the file that uses, the file that is used, and why they can't be parted.
const ACCEPTED: [(&str, &str, &str); 0] = [];

/// Reads the crates of the workspace: one graph for each library or program.
fn workspace() -> Vec<ImportGraph> {
    let read = |path: &str| fs::read_to_string(root().join(path)).ok();
    let mut graphs = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        for name in ["lib.rs", "main.rs"] {
            let file = entry.as_ref().unwrap().path().join("src").join(name);
            if file.exists() {
                graphs.push(ImportGraph::read(&from_root(&file), &read).unwrap());
            }
        }
    }
    let xtask = ImportGraph::read("xtask/src/lib.rs", &read).unwrap();
    graphs.push(xtask);
    graphs.sort_by(|a, b| a.files.cmp(&b.files));
    graphs
}

#[test]
fn files_of_a_crate_have_no_import_cycles() {
    let mut found = Vec::new();
    for mut graph in workspace() {
        for (from, to, _) in ACCEPTED {
            graph.edges.remove(&(from.to_owned(), to.to_owned()));
        }
        found.extend(cycles(&graph).iter().map(|cycle| describe(&graph, cycle)));
    }
    assert!(
        found.is_empty(),
        "{} import cycles; move the shared item to the file that both may use:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn accepted_edges_exist() {
    let graphs = workspace();
    for (from, to, reason) in ACCEPTED {
        let edge = (from.to_owned(), to.to_owned());
        let exists = graphs.iter().any(|graph| graph.edges.contains_key(&edge));
        assert!(
            exists,
            "{from} no longer uses {to} ({reason}): remove the line from ACCEPTED"
        );
    }
}

/// A search that misses files or edges would find no cycles.
#[test]
fn every_file_is_read_and_has_edges() {
    let graphs = workspace();
    let read: BTreeSet<_> = graphs.iter().flat_map(|graph| &graph.files).collect();
    let test_only = "crates/omniq-file/src/rehearsal/";
    for source in sources().unwrap() {
        let found = read.contains(&source.path) || source.path.starts_with(test_only);
        assert!(found, "{} is in no crate", source.path);
    }
    for file in files_below(&root().join("xtask/src")).unwrap() {
        assert!(read.contains(&from_root(&file)), "{file:?} is in no crate");
    }
    let ends: BTreeSet<_> = graphs
        .iter()
        .flat_map(|graph| graph.edges.keys().flat_map(|(from, to)| [from, to]))
        .collect();
    assert!(
        ends.len() * 10 >= read.len() * 9,
        "{} of {}",
        ends.len(),
        read.len()
    );
}

/// Reads a made-up crate and describes its cycles.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let files: BTreeMap<_, _> = files.iter().copied().collect();
    let read = |path: &str| files.get(path).map(|text| (*text).to_owned());
    let graph = ImportGraph::read("a/src/lib.rs", &read).unwrap();
    assert_eq!(graph.files.len(), files.len());
    cycles(&graph)
        .iter()
        .map(|cycle| describe(&graph, cycle))
        .collect()
}

#[test]
fn a_cycle_is_found_and_described() {
    let found = found(&[
        ("a/src/lib.rs", "mod x; mod y; mod z;"),
        ("a/src/x.rs", "use crate::y::Y;\n\npub struct X(Y);"),
        (
            "a/src/y.rs",
            "pub struct Y;\npub fn y() {\n    super::z::z()\n}",
        ),
        (
            "a/src/z.rs",
            "use super::*;\npub fn z() { dbg!(x::X::new(1), [x::X]) }",
        ),
    ]);
    let expected = "a: x.rs → y.rs → z.rs → x.rs\n    \
                    a/src/x.rs:1: uses `crate::y::Y` of y.rs (and 1 more)\n    \
                    a/src/y.rs:3: uses `super::z::z` of z.rs\n    \
                    a/src/z.rs:2: uses `x::X::new` of x.rs (and 1 more)";
    assert_eq!(found, [expected]);
}

#[test]
fn files_that_use_each_other_in_one_direction_have_no_cycle() {
    let found = found(&[
        ("a/src/lib.rs", "mod x; mod y; pub use x::X; pub use y::Y;"),
        (
            "a/src/x.rs",
            "use crate::y::Y; pub struct X(Y); fn f(x: X) { x.y() }",
        ),
        (
            "a/src/y.rs",
            "pub struct Y; impl Y { fn x(&self) -> std::io::Result<()> { ::x::X } }",
        ),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_parent_and_its_child_may_use_each_other_through_re_exports_only() {
    let siblings = [
        ("a/src/lib.rs", "mod p; pub use p::{C, D as E};"),
        (
            "a/src/p/mod.rs",
            "mod c; mod d; pub use c::C; pub use self::d::*;",
        ),
        (
            "a/src/p/c.rs",
            "use crate::E; use super::D; pub struct C(D, E);",
        ),
        ("a/src/p/d.rs", "pub struct D;"),
    ];
    assert_eq!(found(&siblings), [""; 0]);

    let mut defined_in_the_parent = siblings;
    defined_in_the_parent[1].1 = "mod c; mod d; pub use c::C; pub struct D;";
    let found = found(&defined_in_the_parent);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("a: p/c.rs → p/mod.rs → p/c.rs\n"),
        "{found:?}"
    );
}

#[test]
fn a_re_export_leads_to_the_file_that_defines_the_item() {
    let found = found(&[
        (
            "a/src/lib.rs",
            "mod x; mod y; pub use x::X as Z; pub(crate) use y::y;",
        ),
        (
            "a/src/x.rs",
            "pub struct X; fn f() { use crate::y as again; again() }",
        ),
        ("a/src/y.rs", "pub fn y() { let _: crate::Z; }"),
    ]);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("a: x.rs → y.rs → x.rs\n"), "{found:?}");
}

#[test]
fn tests_and_generated_code_make_no_cycle() {
    let found = found(&[
        ("a/src/lib.rs", "mod x; mod y; #[cfg(test)] mod missing;"),
        ("a/src/x.rs", "use crate::y::Y; pub struct X(Y);"),
        (
            "a/src/y.rs",
            "pub struct Y; impl Y { #[cfg(test)] fn f(x: crate::x::X) {} fn g() { quote! { crate::x::X } } }
             #[cfg(test)] mod tests { use crate::x::X; }",
        ),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn arguments_of_macros_are_searched_for_paths() {
    for (argument, count) in [
        ("1..x::LAST", 1),
        ("\"{}\", $crate::x::LAST", 1),
        ("a.x::<u8>(), a.x, ::x::LAST, b::x::LAST", 0),
    ] {
        let lib = format!("mod x; pub fn f() {{ call!({argument}) }}");
        let found = found(&[
            ("a/src/lib.rs", &lib),
            (
                "a/src/x.rs",
                "pub const LAST: u8 = 9; fn g() { super::f() }",
            ),
        ]);
        assert_eq!(found.len(), count, "{argument}");
    }
}

#[test]
fn a_block_of_a_file_belongs_to_the_file() {
    let found = found(&[
        ("a/src/lib.rs", "mod x; mod y;"),
        (
            "a/src/x.rs",
            "pub mod inner { pub struct X(super::super::y::Y); }",
        ),
        (
            "a/src/y.rs",
            "use crate::x::inner; pub struct Y(Vec<inner::X>);",
        ),
    ]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("a/src/y.rs:1: uses `inner::X` of x.rs"),
        "{found:?}"
    );
}
