//! Files and functions are short enough to be read at once.

use std::fs;
use std::path::{Path, PathBuf};
use syn::spanned::Spanned;
use syn::visit::Visit;

/// Lines of a file, without its tests.
const FILE: usize = 600;

/// Lines of a function, from its `fn` to its last brace.
const FUNCTION: usize = 50;

/// From the workspace's folder on.
const FOLDERS: [&str; 4] = ["mux-core/src", "mux-proto/src", "mux-macros/src", "src"];

/// The tests of a file, and its long functions.
#[derive(Default)]
struct Lines {
    tests: usize,
    long: Vec<String>,
}

fn lines(spanned: &impl Spanned) -> usize {
    let span = spanned.span();
    span.end().line - span.start().line + 1
}

fn is_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|cfg| cfg == "test")
}

impl Lines {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let len = block.span().end().line - signature.fn_token.span().start().line + 1;
        if len > FUNCTION {
            self.long.push(signature.ident.to_string());
        }
    }
}

impl<'a> Visit<'a> for Lines {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if item.attrs.iter().any(is_test) {
            self.tests += lines(item);
        } else {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.function(&item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// Whether all of a file is tests, or is there for them.
fn is_for_tests(path: &Path) -> bool {
    path.with_extension("").components().any(|part| part.as_os_str() == "tests")
}

/// The file itself where it is too long, and its functions that are.
fn too_long(root: &Path, path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a source");
    let mut found = Lines::default();
    found.visit_file(&syn::parse_file(&text).expect("a file of Rust"));
    let name = path.strip_prefix(root).expect("a path below it").display().to_string();
    let functions = found.long.iter().map(|function| format!("{name}: {function}"));
    let file = (text.lines().count() - found.tests > FILE).then(|| name.clone());
    functions.chain(file).collect()
}

#[test]
fn files_and_functions_are_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = FOLDERS.iter().flat_map(|folder| sources(&root.join(folder)));
    let files = files.filter(|path| !is_for_tests(path.strip_prefix(&root).expect("a path below it")));
    let long: Vec<_> = files.flat_map(|path| too_long(&root, &path)).collect();
    assert!(long.is_empty(), "longer than {FILE} or {FUNCTION} lines: {long:#?}");
}
