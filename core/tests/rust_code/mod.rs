//! What Rust source says, as `syn` reads it: for the tests that check the house itself.
#![allow(dead_code, reason = "each test uses a part")]

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use std::path::{Path, PathBuf};
use syn::visit::Visit;

/// A path as it stands in the code, such as `crate::event::Sink`, or one of those that a `use` names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    /// The parts; `*` for all of a module.
    pub(crate) path: Vec<String>,
    /// The name behind `as`, in a `use`.
    pub(crate) renamed: Option<String>,
    pub(crate) is_use: bool,
    /// How many modules written inside the file it stands in.
    pub(crate) depth: usize,
}

impl Named {
    /// The name that a `use` brings into scope; none for `as _` and `*`.
    pub(crate) fn name(&self) -> Option<&str> {
        let last = match &*self.path {
            [.., module, last] if last == "self" => module,
            [.., last] => last,
            [] => return None,
        };
        Some(self.renamed.as_deref().unwrap_or(last)).filter(|name| !["_", "*"].contains(name))
    }
}

/// Every path of a file, those inside of macros too, and the lines with `async` or `await`.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) named: Vec<Named>,
    pub(crate) asynchronous: Vec<(usize, &'static str)>,
    depth: usize,
}

impl Code {
    pub(crate) fn of(file: &syn::File) -> Self {
        let mut code = Self::default();
        code.visit_file(file);
        code
    }

    /// The names of one `use`.
    pub(crate) fn of_use(item: &syn::ItemUse) -> Vec<Named> {
        let mut code = Self::default();
        code.tree(&item.tree, &[]);
        code.named
    }

    fn push(&mut self, first: &Ident, path: Vec<String>, renamed: Option<String>, is_use: bool) {
        let line = first.span().start().line;
        self.named.push(Named { line, path, renamed, is_use, depth: self.depth });
    }

    /// All paths of a tree: `a::{b, c::d}` is two.
    fn tree(&mut self, tree: &syn::UseTree, prefix: &[String]) {
        let with = |name: String| [prefix, &[name]].concat();
        match tree {
            syn::UseTree::Path(part) => self.tree(&part.tree, &with(part.ident.to_string())),
            syn::UseTree::Name(last) => self.push(&last.ident, with(last.ident.to_string()), None, true),
            syn::UseTree::Rename(last) => {
                self.push(&last.ident, with(last.ident.to_string()), Some(last.rename.to_string()), true);
            }
            syn::UseTree::Glob(star) => {
                let line = star.star_token.spans[0].start().line;
                let named = Named { line, path: with("*".into()), renamed: None, is_use: true, depth: self.depth };
                self.named.push(named);
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(item, prefix)),
        }
    }

    /// Paths inside of a macro, where only its signs are known; `prefix` is what stands before a list in braces.
    fn tokens(&mut self, stream: TokenStream, prefix: &[String]) {
        let trees: Vec<TokenTree> = stream.into_iter().collect();
        let colons = |at: usize| {
            let is = |at: usize| matches!(trees.get(at), Some(TokenTree::Punct(sign)) if sign.as_char() == ':');
            is(at) && is(at + 1)
        };
        let mut at = 0;
        while let Some(tree) = trees.get(at) {
            at += 1;
            match tree {
                TokenTree::Group(group) => self.tokens(group.stream(), &[]),
                // Behind `::` it goes on with what is no name, such as `<T>::f`.
                TokenTree::Ident(first) if at < 3 || !colons(at - 3) => {
                    match &*first.to_string() {
                        "async" => self.asynchronous.push((first.span().start().line, "async")),
                        "await" => self.asynchronous.push((first.span().start().line, "await")),
                        _ => {}
                    }
                    let mut path = [prefix, &[first.to_string()]].concat();
                    let mut list = None;
                    while colons(at) {
                        match trees.get(at + 2) {
                            Some(TokenTree::Ident(part)) => path.push(part.to_string()),
                            Some(TokenTree::Punct(star)) if star.as_char() == '*' => path.push("*".into()),
                            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                                list = Some(group.stream());
                            }
                            _ => break,
                        }
                        at += 3;
                    }
                    match list {
                        Some(list) => self.tokens(list, &path),
                        None => self.push(first, path, None, false),
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Code {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.depth += 1;
        syn::visit::visit_item_mod(self, item);
        self.depth -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.visit_visibility(&item.vis);
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.push(&path.segments[0].ident, parts, None, false);
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        self.tokens(item.tokens.clone(), &[]);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.asynchronous.extend(signature.asyncness.map(|word| (word.span.start().line, "async")));
        syn::visit::visit_signature(self, signature);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        self.asynchronous.extend(closure.asyncness.map(|word| (word.span.start().line, "async")));
        syn::visit::visit_expr_closure(self, closure);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.asynchronous.push((block.async_token.span.start().line, "async"));
        syn::visit::visit_expr_async(self, block);
    }

    fn visit_expr_await(&mut self, expression: &'ast syn::ExprAwait) {
        self.asynchronous.push((expression.await_token.span.start().line, "await"));
        syn::visit::visit_expr_await(self, expression);
    }
}

pub(crate) fn parse(source: &str) -> syn::File {
    syn::parse_file(source).unwrap_or_else(|error| panic!("{error} in {source}"))
}

pub(crate) fn read(path: &Path) -> syn::File {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The `.rs` files below a folder, sorted; none where the folder is not there.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub(crate) fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

/// `#[doc(hidden)]`: no part of the public API, although Rust lets others name it.
pub(crate) fn is_hidden(attributes: &[syn::Attribute]) -> bool {
    let hidden = |attribute: &syn::Attribute| {
        attribute.path().is_ident("doc") && attribute.parse_args::<Ident>().is_ok_and(|word| word == "hidden")
    };
    attributes.iter().any(hidden)
}
