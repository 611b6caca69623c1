//! Collects every defect of a service, and holds the rules that span several methods.

use std::collections::HashMap;

use proc_macro2::Span;
use quote::ToTokens;
use syn::Ident;
use syn::ext::IdentExt;

use crate::model::Method;
use crate::names;

/// What the generated client has of its own; see `expand/client.rs`.
pub(crate) const TAKEN: [&str; 5] = ["new", "local", "connect", "connect_blocking", "clone"];

/// The errors so far. All are shown at once, each at its own token.
#[derive(Default)]
pub(crate) struct Defects {
    error: Option<syn::Error>,
}

impl Defects {
    pub(crate) fn add(&mut self, place: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(place, message));
    }

    pub(crate) fn at(&mut self, place: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(place, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.error {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.error.iter().flatten().count()
    }

    pub(crate) fn into_error(self) -> Option<syn::Error> {
        self.error
    }
}

/// Refuses methods that the client or the wire could not tell apart; those left can be told apart.
pub(crate) fn distinct(trait_name: &Ident, methods: Vec<Method>, defects: &mut Defects) -> Vec<Method> {
    let mut wires: HashMap<String, Vec<Seen>> = HashMap::new();
    let mut kept = Vec::new();
    for mut method in methods {
        if collides_with_generated(trait_name, &method, defects) {
            continue;
        }
        let seen = wires.entry(method.wire.clone()).or_default();
        let taken = seen.iter().find(|earlier| !earlier.excludes(&method));
        match taken {
            Some(earlier) if earlier.ident == method.ident => {
                defects.add(&method.ident, "a method of this name is there already; rename this one");
                continue;
            }
            Some(earlier) => {
                refuse_wire(earlier, &method, defects);
                // Its client method stays, so that calls of it are no errors too.
                method.wire = format!("{}#{}", method.wire, kept.len());
            }
            None => seen.push(Seen::of(&method)),
        }
        kept.push(method);
    }
    kept
}

fn collides_with_generated(trait_name: &Ident, method: &Method, defects: &mut Defects) -> bool {
    let name = method.ident.unraw().to_string();
    let collides = TAKEN.contains(&name.as_str());
    if collides {
        let client = names::client(trait_name);
        defects.add(
            &method.ident,
            format!(
                "method name `{name}` collides with the generated `{client}::{name}`; rename it and keep the \
                 wire name with #[mux(name = \"{name}\")]"
            ),
        );
    }
    collides
}

struct Seen {
    ident: Ident,
    under_cfg: bool,
}

impl Seen {
    fn of(method: &Method) -> Self {
        Self { ident: method.ident.clone(), under_cfg: method.under_cfg() }
    }

    /// Two versions of one method under opposite `#[cfg]`s: rustc itself refuses them where both are on.
    fn excludes(&self, later: &Method) -> bool {
        self.ident == later.ident && self.under_cfg && later.under_cfg()
    }
}

fn refuse_wire(earlier: &Seen, method: &Method, defects: &mut Defects) {
    let (wire, earlier) = (&method.wire, &earlier.ident);
    defects.at(
        method.wire_span,
        format!(
            "wire name \"{wire}\" is taken by the method `{earlier}`; give this one another with \
             #[mux(name = \"…\")]"
        ),
    );
}
