//! The layers of this crate, as its `use` lines have them: an arrow goes down, or stays within its folder, and the parts of a
//! folder make no circle.

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

/// Parts of a folder that know each other: the folder, and which of its files and folders.
const CIRCLES: [(&str, &[&str]); 2] = [
    // A connection, and what hangs on it and keeps it open.
    ("link", &["handle", "pending_receiver", "port", "send_queue", "shared"]),
    // Who waits on a plain thread has the runtime of such threads driven, and who drives it waits.
    ("threads", &["background", "blocking"]),
];

/// What one source says.
struct Module {
    /// What it names of this crate, from the crate's root on.
    named: BTreeSet<Vec<String>>,
    /// By the name that it passes on, the module below it where that is.
    passed_on: BTreeMap<String, String>,
}

/// What a file names behind `crate::` and `super::`, in `use` lines and anywhere else.
struct Reader {
    /// The module of the file, from the crate's root on.
    own: Vec<String>,
    module: Module,
}

impl Reader {
    fn add(&mut self, path: &[String]) {
        let supers = path.iter().take_while(|name| *name == "super").count();
        let from = match path.first().map(String::as_str) {
            Some("crate") => &[],
            Some("super") => &self.own[..self.own.len().saturating_sub(supers)],
            _ => return,
        };
        let behind = &path[supers.max(1)..];
        if !behind.is_empty() {
            self.module.named.insert([from, behind].concat());
        }
    }

    fn add_use(&mut self, item: &syn::ItemUse) {
        for path in leaves(&item.tree, Vec::new()) {
            self.add(&path);
            if let (syn::Visibility::Public(_) | syn::Visibility::Restricted(_), [below, .., name]) =
                (&item.vis, &path[..])
            {
                let module = [&self.own[..], std::slice::from_ref(below)].concat().join("::");
                self.module.passed_on.insert(name.clone(), module);
            }
        }
    }
}

/// The paths of a `use` line.
fn leaves(tree: &syn::UseTree, mut before: Vec<String>) -> Vec<Vec<String>> {
    match tree {
        syn::UseTree::Path(path) => {
            before.push(path.ident.to_string());
            leaves(&path.tree, before)
        }
        syn::UseTree::Group(group) => {
            group.items.iter().flat_map(|tree| leaves(tree, before.clone())).collect()
        }
        syn::UseTree::Name(name) if name.ident == "self" => vec![before],
        syn::UseTree::Name(syn::UseName { ident }) | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
            before.push(ident.to_string());
            vec![before]
        }
        syn::UseTree::Glob(_) => vec![before],
    }
}

impl<'a> Visit<'a> for Reader {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.add_use(item);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add(&names);
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

fn modules() -> BTreeMap<String, Module> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: PathBuf| {
        let module =
            path.strip_prefix(&root).expect("a path below it").with_extension("").display().to_string();
        let module = module.replace('/', "::");
        let module = module.strip_suffix("::mod").unwrap_or(&module).to_owned();
        let file = syn::parse_file(&fs::read_to_string(&path).expect("a source")).expect("a file of Rust");
        let own = module.split("::").map(str::to_owned).collect();
        let mut reader =
            Reader { own, module: Module { named: BTreeSet::new(), passed_on: BTreeMap::new() } };
        reader.visit_file(&file);
        (module, reader.module)
    };
    sources(&root).into_iter().filter(|path| !path.ends_with("tests.rs")).map(read).collect()
}

fn layer(module: &str) -> Option<usize> {
    let folder = module.split("::").next()?;
    LAYERS.iter().position(|layer| *layer == folder)
}

#[test]
fn no_layer_names_one_above_it() {
    let mut up = BTreeSet::new();
    for (name, module) in modules() {
        // The crate's root, and what generated code names, see all.
        let Some(own) = layer(&name) else { continue };
        let above = module.named.into_iter().map(|path| path[0].clone());
        let above = above.filter(|name| layer(name).is_some_and(|other| other > own));
        up.extend(above.map(|above| (name.clone(), above)));
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

/// The module in which that is which a path names.
fn module_of(path: &[String], modules: &BTreeMap<String, Module>) -> Option<String> {
    let (len, module) = (1..=path.len()).rev().find_map(|len| {
        let name = path[..len].join("::");
        modules.get(&name).map(|module| (len, module))
    })?;
    let passed_on = path.get(len).and_then(|name| module.passed_on.get(name));
    Some(passed_on.filter(|name| modules.contains_key(*name)).cloned().unwrap_or(path[..len].join("::")))
}

/// Of two modules, the folder that both are in, and its parts that have them. Its own `mod.rs` is none of these.
fn parts<'m>(from: &'m str, to: &'m str) -> Option<(String, &'m str, &'m str)> {
    let (mut from, mut to) = (from.split("::"), to.split("::"));
    let mut folder = Vec::new();
    loop {
        match (from.next()?, to.next()?) {
            (a, b) if a == b => folder.push(a),
            (a, b) => return (!folder.is_empty()).then(|| (folder.join("::"), a, b)),
        }
    }
}

/// All that can be reached from a part, by one arrow or several.
fn reached<'a>(from: &str, arrows: &'a BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'a str> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(part) = next.pop() {
        for to in arrows.get(part).into_iter().flatten() {
            if seen.insert(&**to) {
                next.push(to);
            }
        }
    }
    seen
}

#[test]
fn the_parts_of_a_folder_make_no_circle() {
    let modules = modules();
    let mut folders: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (from, module) in &modules {
        for to in module.named.iter().filter_map(|path| module_of(path, &modules)) {
            if let Some((folder, from, to)) = parts(from, &to) {
                let arrows = folders.entry(folder).or_default();
                arrows.entry(from.to_owned()).or_default().insert(to.to_owned());
            }
        }
    }
    let mut circles = BTreeSet::new();
    for (folder, arrows) in &folders {
        for part in arrows.keys() {
            let circle =
                reached(part, arrows).into_iter().filter(|other| reached(other, arrows).contains(&**part));
            let circle: Vec<_> = circle.map(str::to_owned).collect();
            if !circle.is_empty() {
                circles.insert((folder.clone(), circle));
            }
        }
    }
    let known = CIRCLES
        .map(|(folder, parts)| (folder.to_owned(), parts.iter().map(|&part| part.to_owned()).collect()));
    assert_eq!(circles, BTreeSet::from(known));
}
