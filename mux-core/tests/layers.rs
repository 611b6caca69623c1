//! The layers of this crate, as its `use` lines have them: an arrow goes down, or stays within its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::Visit;

/// Lowest first. ARCHITECTURE.md says of each what it is for, and what it must not know.
const LAYERS: [&str; 12] = [
    "util",
    "api",
    "threads",
    "transport",
    "link",
    "value",
    "channel",
    "context",
    "client",
    "serve",
    "driver",
    "endpoint",
];

/// Arrows that still go up, each a debt: one that is paid has to leave this list.
const UP: [(&str, &str); 2] = [("link::shared", "serve"), ("value::body::evidence", "channel")];

/// What a file names behind `crate::`, in `use` lines and anywhere else.
#[derive(Default)]
struct Named(BTreeSet<String>);

impl Named {
    fn add(&mut self, names: Vec<String>) {
        if names.len() > 1 && names[0] == "crate" {
            self.0.insert(names[1].clone());
        }
    }

    fn tree(&mut self, tree: &syn::UseTree, mut before: Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before);
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before.clone())),
            syn::UseTree::Name(name) => {
                before.push(name.ident.to_string());
                self.add(before);
            }
            syn::UseTree::Rename(rename) => {
                before.push(rename.ident.to_string());
                self.add(before);
            }
            syn::UseTree::Glob(_) => self.add(before),
        }
    }
}

impl<'a> Visit<'a> for Named {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.tree(&item.tree, Vec::new());
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        self.add(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if item.ident != "tests" {
            syn::visit::visit_item_mod(self, item);
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// By module, what it names of this crate.
fn modules() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let named = |path: PathBuf| {
        let module =
            path.strip_prefix(&root).expect("a path below it").with_extension("").display().to_string();
        let module = module.replace('/', "::");
        let module = module.strip_suffix("::mod").unwrap_or(&module).to_owned();
        let file = syn::parse_file(&fs::read_to_string(&path).expect("a source")).expect("a file of Rust");
        let mut named = Named::default();
        named.visit_file(&file);
        (module, named.0)
    };
    sources(&root).into_iter().filter(|path| !path.ends_with("tests.rs")).map(named).collect()
}

fn layer(module: &str) -> Option<usize> {
    let folder = module.split("::").next()?;
    LAYERS.iter().position(|layer| *layer == folder)
}

#[test]
fn no_layer_names_one_above_it() {
    let mut up = BTreeSet::new();
    for (module, named) in modules() {
        // The crate's root, and what generated code names, see all.
        let Some(own) = layer(&module) else { continue };
        let above = named.into_iter().filter(|name| layer(name).is_some_and(|other| other > own));
        up.extend(above.map(|name| (module.clone(), name)));
    }
    let known = UP.map(|(module, layer)| (module.to_owned(), layer.to_owned()));
    assert_eq!(up, BTreeSet::from(known));
}

#[test]
fn every_folder_is_a_layer() {
    let above = ["lib", "private"];
    let strangers: Vec<_> = modules().into_keys().filter(|module| layer(module).is_none()).collect();
    assert_eq!(strangers, above);
}
