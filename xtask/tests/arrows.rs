//! Dependencies between the crates of the workspace point one way, and the core depends on few crates.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeSet, HashMap};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// A crate, and which crates of the workspace it may depend on. Dev-dependencies are not restricted.
const ARROWS: [(&str, &[&str]); 9] = [
    ("omniq-core", &[]),
    ("omniq-memory", &["omniq-core"]),
    ("omniq-writer", &["omniq-core"]),
    ("omniq-sqlite", &["omniq-core", "omniq-writer"]),
    ("omniq-file", &["omniq-core", "omniq-writer"]),
    ("omniq-conformance", &["omniq-core"]),
    ("omniq-macros", &[]),
    (
        "omniq",
        &[
            "omniq-core",
            "omniq-file",
            "omniq-macros",
            "omniq-memory",
            "omniq-sqlite",
        ],
    ),
    ("xtask", &[]),
];

/// The direct dependencies of omniq-core, optional ones included: it writes and reads values, and names a stream type; by cargo
/// feature, it knows the times, errors and formats of other crates.
const CORE_USES: [&str; 10] = [
    "anyhow",
    "base64",
    "chrono",
    "futures-core",
    "jiff",
    "rmp",
    "rmp-serde",
    "rmpv",
    "serde",
    "serde_json",
];

/// Returns the packages and the resolved dependencies of the workspace, for this machine's platform.
fn metadata() -> Metadata {
    let manifest = xtask::root().join("Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(["--locked".into(), "--filter-platform".into(), host()])
        .exec()
        .unwrap()
}

/// Returns the target triple of this machine.
fn host() -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let out = std::process::Command::new(cargo)
        .arg("-vV")
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.unwrap().to_owned()
}

#[test]
fn crates_depend_only_along_the_arrows() {
    let metadata = metadata();
    let allowed: HashMap<_, _> = ARROWS.into_iter().collect();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        // A crate that is never published may depend on any.
        let Some(allowed) = allowed.get(name) else {
            assert_eq!(
                package.publish.as_deref(),
                Some(&[][..]),
                "{name} has no line in ARROWS, and is published"
            );
            continue;
        };
        for dependency in &package.dependencies {
            let ours = dependency.name.starts_with("omniq");
            let real = dependency.kind != DependencyKind::Development;
            let fine = allowed.contains(&dependency.name.as_str());
            assert!(
                fine || !ours || !real,
                "{name} must not depend on {}",
                dependency.name
            );
        }
    }
}

#[test]
fn core_is_rules_only() {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let core = packages
        .iter()
        .find(|p| p.name.as_str() == "omniq-core")
        .unwrap();
    let direct: BTreeSet<_> = core
        .dependencies
        .iter()
        .filter(|d| d.kind != DependencyKind::Development)
        .map(|d| d.name.as_str())
        .collect();
    assert_eq!(
        direct,
        BTreeSet::from(CORE_USES),
        "omniq-core depends on few crates: a further one needs a reason, and a line in CORE_USES"
    );

    let reached = reached_from(&metadata, &core.id);
    for forbidden in [
        "tokio",
        "rand",
        "getrandom",
        "fastrand",
        "rusqlite",
        "libc",
        "mio",
        "async-std",
    ] {
        assert!(
            !reached.contains(forbidden),
            "omniq-core is built with {forbidden}"
        );
    }
    assert!(
        reached.contains("serde"),
        "too few packages were found: {reached:?}"
    );
}

/// Returns the names of all packages that a package is built with.
fn reached_from(metadata: &Metadata, start: &PackageId) -> BTreeSet<String> {
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let nodes: HashMap<_, _> = nodes.iter().map(|node| (&node.id, node)).collect();
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(id) = open.pop() {
        for dep in &nodes[id].deps {
            let real = dep
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if real && seen.insert(metadata[&dep.pkg].name.to_string()) {
                open.push(&dep.pkg);
            }
        }
    }
    seen
}
