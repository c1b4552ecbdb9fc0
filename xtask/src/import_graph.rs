//! Finds which files of a crate use items that other files of it define.
//!
//! A path counts as a use of the file that defines the item, however many `use` and `pub use` are between them. Paths in
//! `use`, in code and in the arguments of macros count; unit tests, documentation and method calls do not.

use std::collections::{BTreeMap, HashMap};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::modules::{Modules, Target, imports};
use crate::test_code::{impl_item_attributes, is_test, item_attributes};

/// A place in a file where it uses another file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The line.
    pub line: usize,
    /// The path as it is written.
    pub path: String,
}

/// The files of a crate and the edges between them.
#[derive(Debug, Default)]
pub struct ImportGraph {
    /// The paths of all files, from the root of the repository.
    pub files: Vec<String>,
    /// By the file that uses and the file that is used: the places, in the order of the text.
    pub edges: BTreeMap<(String, String), Vec<Use>>,
}

impl ImportGraph {
    /// Reads a crate, beginning with its root file (`…/src/lib.rs`). `read` returns the text of a file, or `None` if there is no
    /// such file.
    ///
    /// # Errors
    ///
    /// If a module has no file, or a file is no valid Rust.
    pub fn read(root: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let modules = Modules::read(root, read)?;
        let mut graph = Self::default();
        for (number, file) in modules.files.iter().enumerate() {
            graph.files.push(file.path.clone());
            let mut paths = Paths {
                modules: &modules,
                module: file.module,
                file: number,
                scopes: Vec::new(),
                edges: &mut graph.edges,
            };
            paths.visit_file(&file.syntax);
        }
        for uses in graph.edges.values_mut() {
            uses.sort_by_key(|place| place.line);
        }
        Ok(graph)
    }
}

/// Visits the paths of one file.
struct Paths<'a> {
    modules: &'a Modules,
    /// The module that the visited code is in.
    module: usize,
    file: usize,
    /// The imports of the blocks around the visited code, the innermost last.
    scopes: Vec<HashMap<String, Vec<String>>>,
    edges: &'a mut BTreeMap<(String, String), Vec<Use>>,
}

impl Paths<'_> {
    fn add(&mut self, path: &[String], line: usize) {
        let local = path.first().and_then(|first| {
            let scopes = self.scopes.iter().rev();
            scopes.filter_map(|scope| scope.get(first)).next()
        });
        let target = match local {
            Some(import) => {
                let whole: Vec<_> = import.iter().chain(&path[1..]).cloned().collect();
                self.modules.resolve(self.module, &whole)
            }
            None => self.modules.resolve(self.module, path),
        };
        if let Target::Item(file) = target
            && file != self.file
        {
            let files = &self.modules.files;
            let edge = (files[self.file].path.clone(), files[file].path.clone());
            self.edges.entry(edge).or_default().push(Use {
                line,
                path: path.join("::"),
            });
        }
    }

    /// Adds the paths among the tokens of a macro.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut index = 0;
        while index < tokens.len() {
            let (path, span, next) = path_at(&tokens, index);
            if !path.is_empty() && !is_foreign(&tokens, index) {
                self.add(&path, span.start().line);
            }
            if let TokenTree::Group(group) = &tokens[index] {
                self.add_tokens(group.stream());
            }
            index = next;
        }
    }
}

/// Whether a name that begins at a token is a field, a method, or a path from another crate (`::name`), and so no path of ours.
fn is_foreign(tokens: &[TokenTree], start: usize) -> bool {
    let before = |mark, back| {
        let index = start.checked_sub(back);
        index.is_some_and(|index| is_mark(tokens, index, mark))
    };
    let after_dot = before('.', 1) && !before('.', 2);
    let after_colons = before(':', 1) && before(':', 2);
    after_dot || after_colons
}

fn is_mark(tokens: &[TokenTree], index: usize, mark: char) -> bool {
    matches!(tokens.get(index), Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

/// Returns the path that begins at a token, its place, and the index of the token after it. The path is empty if none begins
/// there.
fn path_at(tokens: &[TokenTree], start: usize) -> (Vec<String>, Span, usize) {
    let span = tokens[start].span();
    let mut path = Vec::new();
    let mut index = start;
    while let Some(TokenTree::Ident(ident)) = tokens.get(index) {
        path.push(ident.to_string());
        index += 1;
        let colons = is_mark(tokens, index, ':') && is_mark(tokens, index + 1, ':');
        if !colons || !matches!(tokens.get(index + 2), Some(TokenTree::Ident(_))) {
            break;
        }
        index += 2;
    }
    (path, span, index.max(start + 1))
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(item_attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        if !is_test(impl_item_attributes(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if let Some(module) = self.modules.block(self.module, &item.ident) {
            let around = std::mem::replace(&mut self.module, module);
            visit::visit_item_mod(self, item);
            self.module = around;
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for import in imports(&item.tree) {
            self.add(&import.path, import.line);
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        let mut scope = HashMap::new();
        for statement in &block.stmts {
            if let syn::Stmt::Item(syn::Item::Use(item)) = statement {
                let named = imports(&item.tree).into_iter();
                scope.extend(named.filter_map(|import| Some((import.name?, import.path))));
            }
        }
        self.scopes.push(scope);
        visit::visit_block(self, block);
        self.scopes.pop();
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none()
            && let Some(first) = path.segments.first()
        {
            let names: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
            self.add(&names, first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        // What `quote!` holds is code of the crate that uses the macro.
        let generates = call
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident.to_string().contains("quote"));
        if !generates {
            self.add_tokens(call.tokens.clone());
        }
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}
