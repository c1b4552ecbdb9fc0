//! Reads the modules of a crate, with the names that each of them binds, and resolves paths to the files that define them.

use std::collections::{BTreeMap, HashMap};

use proc_macro2::Ident;
use syn::{Item, UseTree};

use crate::test_code::{is_test, item_attributes};

/// Imports may form loops (`pub use` of a crate's own name); longer chains than this are taken for one.
const MAX_CHAIN: usize = 32;

/// What a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A module, by its number.
    Module(usize),
    /// An item that is defined in a file, by the file's number. What follows it in a path (a variant, a method) is in that
    /// file for our purposes.
    Item(usize),
    /// Another crate's, or no name of an item.
    External,
}

enum Binding {
    Module(usize),
    Item,
    Import(Vec<String>),
}

/// A module: a file, or a block inside one.
pub(crate) struct Module {
    file: usize,
    parent: Option<usize>,
    names: BTreeMap<String, Vec<Binding>>,
    globs: Vec<Vec<String>>,
}

/// A file of a crate.
pub(crate) struct File {
    /// From the root of the repository.
    pub(crate) path: String,
    /// The module that the file is.
    pub(crate) module: usize,
    pub(crate) syntax: syn::File,
}

/// The modules and files of one crate. Number 0 of both is the crate's root.
#[derive(Default)]
pub(crate) struct Modules {
    modules: Vec<Module>,
    pub(crate) files: Vec<File>,
    /// A `mod` with a block: the module around it and its line, and its own number.
    blocks: HashMap<(usize, usize), usize>,
}

/// One path of a `use`, taken out of its braces.
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
    /// The name that it binds; none for `*` and `_`.
    pub(crate) name: Option<String>,
    is_glob: bool,
}

impl Modules {
    /// Reads a crate, beginning with its root file. `read` returns the text of a file, or `None` if there is no such file.
    pub(crate) fn read(root: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut modules = Self::default();
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        modules.add_file(root, folder, None, read)?;
        Ok(modules)
    }

    /// Adds a file whose children are in `folder`. Returns the number of its module.
    fn add_file(
        &mut self,
        path: &str,
        folder: &str,
        parent: Option<usize>,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> Result<usize, String> {
        let text = read(path).ok_or_else(|| format!("{path}: no such file"))?;
        let syntax = syn::parse_file(&text).map_err(|error| format!("{path}: {error}"))?;
        let file = self.files.len();
        let module = self.add_module(file, parent);
        self.files.push(File {
            path: path.to_owned(),
            module,
            syntax: syntax.clone(),
        });
        self.add_items(module, &syntax.items, folder, read)?;
        Ok(module)
    }

    fn add_module(&mut self, file: usize, parent: Option<usize>) -> usize {
        self.modules.push(Module {
            file,
            parent,
            names: BTreeMap::new(),
            globs: Vec::new(),
        });
        self.modules.len() - 1
    }

    fn add_items(
        &mut self,
        module: usize,
        items: &[Item],
        folder: &str,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), String> {
        for item in items.iter().filter(|item| !is_test(item_attributes(item))) {
            match item {
                Item::Mod(child) => {
                    let number = self.add_child(module, child, folder, read)?;
                    self.bind(module, child.ident.to_string(), Binding::Module(number));
                }
                Item::Use(item) => {
                    for import in imports(&item.tree) {
                        if import.is_glob {
                            self.modules[module].globs.push(import.path);
                        } else if let Some(name) = import.name {
                            self.bind(module, name, Binding::Import(import.path));
                        }
                    }
                }
                item => {
                    if let Some(name) = defined_name(item) {
                        self.bind(module, name.to_string(), Binding::Item);
                    }
                }
            }
        }
        Ok(())
    }

    fn add_child(
        &mut self,
        module: usize,
        child: &syn::ItemMod,
        folder: &str,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> Result<usize, String> {
        let name = child.ident.to_string();
        let below = if folder.is_empty() {
            name.clone()
        } else {
            format!("{folder}/{name}")
        };
        if let Some((_, items)) = &child.content {
            let number = self.add_module(self.modules[module].file, Some(module));
            let line = child.ident.span().start().line;
            self.blocks.insert((module, line), number);
            self.add_items(number, items, &below, read)?;
            return Ok(number);
        }
        let flat = format!("{below}.rs");
        let path = if read(&flat).is_some() {
            flat
        } else {
            format!("{below}/mod.rs")
        };
        self.add_file(&path, &below, Some(module), read)
    }

    fn bind(&mut self, module: usize, name: String, binding: Binding) {
        let names = &mut self.modules[module].names;
        names.entry(name).or_default().push(binding);
    }

    /// Returns the module that a `mod` with a block is.
    pub(crate) fn block(&self, module: usize, name: &Ident) -> Option<usize> {
        let line = name.span().start().line;
        self.blocks.get(&(module, line)).copied()
    }

    /// Resolves a path that is written in a module.
    pub(crate) fn resolve(&self, module: usize, path: &[String]) -> Target {
        self.resolve_chain(module, path, false, 0)
    }

    fn resolve_chain(
        &self,
        module: usize,
        path: &[String],
        as_module: bool,
        depth: usize,
    ) -> Target {
        if depth > MAX_CHAIN {
            return Target::External;
        }
        let mut current = None;
        for (index, segment) in path.iter().enumerate() {
            let as_module = as_module || index + 1 < path.len();
            let inside = match current {
                None => module,
                Some(Target::Module(number)) => number,
                Some(found) => return found,
            };
            current = Some(match segment.as_str() {
                "crate" => Target::Module(0),
                "self" => Target::Module(inside),
                "super" => match self.modules[inside].parent {
                    Some(parent) => Target::Module(parent),
                    None => Target::External,
                },
                name => self.look_up(inside, name, as_module, depth),
            });
        }
        current.unwrap_or(Target::External)
    }

    /// Finds a name in a module. A module and an item may share a name: `as_module` says which of them is preferred.
    fn look_up(&self, module: usize, name: &str, as_module: bool, depth: usize) -> Target {
        let mut found = Vec::new();
        for binding in self.modules[module].names.get(name).into_iter().flatten() {
            found.push(match binding {
                Binding::Module(number) => Target::Module(*number),
                Binding::Item => Target::Item(self.modules[module].file),
                Binding::Import(path) => self.resolve_chain(module, path, as_module, depth + 1),
            });
        }
        if found.is_empty() {
            for glob in &self.modules[module].globs {
                if let Target::Module(from) = self.resolve_chain(module, glob, true, depth + 1) {
                    found.push(self.look_up_glob(from, name, as_module, depth));
                }
            }
        }
        found.retain(|target| *target != Target::External);
        let preferred = found
            .iter()
            .find(|target| matches!(target, Target::Module(_)) == as_module);
        *preferred.or(found.first()).unwrap_or(&Target::External)
    }

    fn look_up_glob(&self, from: usize, name: &str, as_module: bool, depth: usize) -> Target {
        if depth >= MAX_CHAIN {
            return Target::External;
        }
        self.look_up(from, name, as_module, depth + 1)
    }
}

/// Returns the name of an item that a path can name.
fn defined_name(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::TraitAlias(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

/// Returns the paths of a `use`, taken out of its braces.
pub(crate) fn imports(tree: &UseTree) -> Vec<Import> {
    let mut found = Vec::new();
    collect_imports(tree, &mut Vec::new(), &mut found);
    found
}

fn collect_imports(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Import>) {
    let mut add = |last: Option<&Ident>, name: Option<&Ident>, line: usize, is_glob: bool| {
        let mut whole = path.clone();
        // In `a::{self}`, `self` is `a` itself.
        let last = last.filter(|last| path.is_empty() || *last != "self");
        whole.extend(last.map(Ident::to_string));
        let name = match name {
            Some(name) if name == "self" => whole.last().cloned(),
            Some(name) if name == "_" => None,
            name => name.map(Ident::to_string),
        };
        found.push(Import {
            path: whole,
            line,
            name,
            is_glob,
        });
    };
    match tree {
        UseTree::Path(inner) => {
            path.push(inner.ident.to_string());
            collect_imports(&inner.tree, path, found);
            path.pop();
        }
        UseTree::Name(inner) => {
            let line = inner.ident.span().start().line;
            add(Some(&inner.ident), Some(&inner.ident), line, false);
        }
        UseTree::Rename(inner) => {
            let line = inner.ident.span().start().line;
            add(Some(&inner.ident), Some(&inner.rename), line, false);
        }
        UseTree::Glob(inner) => add(None, None, inner.star_token.span.start().line, true),
        UseTree::Group(inner) => {
            for tree in &inner.items {
                collect_imports(tree, path, found);
            }
        }
    }
}
