//! Whether a type reads the fields that it writes, which positions alone do not tell.
//!
//! A value is made up by the type's `Deserialize`, and its `Serialize` is watched. Nothing is sent: the two ends of one version
//! have the same types, so that each client finds out by itself.

mod recorder;
mod sampler;

use recorder::Recorder;
use sampler::{Choices, Sampler};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::{TypeId, type_name};
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Values that are made of one type at most. Most types need two, as the variants of all enums in them take their turns together.
const RUNS: usize = 128;

/// What is to be probed of a method: a place, and the type there.
#[derive(Debug)]
pub struct Probe {
    place: &'static str,
    run: fn() -> Option<Mismatch>,
}

impl Probe {
    pub(crate) fn of<T: Serialize + DeserializeOwned + 'static>(place: &'static str) -> Probe {
        Probe { place, run: begin::<T> }
    }

    /// Why values of the type do not go by position.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        (self.run)().map(|mismatch| format!("{}{mismatch}", self.place))
    }
}

/// Two fields that have the same position.
#[derive(Debug, PartialEq)]
struct Mismatch {
    /// Of the struct, from the probed value on.
    path: String,
    /// The name of the struct.
    name: &'static str,
    /// The type that was probed.
    within: &'static str,
    written: &'static str,
    read: Option<&'static str>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { path, name, within, written, read } = self;
        if !path.is_empty() {
            write!(f, " at `{path}`")?;
        }
        write!(f, ": `{name}` (in `{within}`) writes its field `{written}` where it reads ")?;
        match read {
            Some(read) => write!(f, "`{read}`")?,
            None => f.write_str("another")?,
        }
        f.write_str(", and positions do not tell; `encoding = \"named\"` goes by names")
    }
}

thread_local! {
    /// What the probe that runs here has met.
    static WITHIN: RefCell<Option<Met>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Met {
    /// The types of the channels' items.
    items: Vec<TypeId>,
    /// In one of these.
    mismatch: Option<Mismatch>,
}

/// Whether a probe runs on this thread.
#[inline]
pub(crate) fn is_within() -> bool {
    WITHIN.with_borrow(Option::is_some)
}

/// Probes what a channel carries, that is a part of what is probed.
pub(crate) fn item<T: Serialize + DeserializeOwned + 'static>() {
    let is_new = WITHIN.with_borrow_mut(|within| {
        within.as_mut().is_some_and(|met| {
            let is_new = !met.items.contains(&TypeId::of::<T>());
            met.items.push(TypeId::of::<T>());
            is_new
        })
    });
    if !is_new {
        return;
    }
    let found = probe::<T>().map(|found| Mismatch { path: format!("[item]{}", found.path), ..found });
    WITHIN.with_borrow_mut(|within| {
        if let Some(met) = within {
            met.mismatch = met.mismatch.take().or(found);
        }
    });
}

fn begin<T: Serialize + DeserializeOwned>() -> Option<Mismatch> {
    WITHIN.set(Some(Met::default()));
    let found = probe::<T>();
    let met = WITHIN.take();
    found.or(met.and_then(|met| met.mismatch))
}

/// The first two fields of the type, or of one in it, that would be taken for each other. What cannot be made up is not probed.
fn probe<T: Serialize + DeserializeOwned>() -> Option<Mismatch> {
    let mut choices = Choices::default();
    for run in 0..RUNS {
        choices.begin(run);
        // Of a user's code that panics nothing is known.
        let seen = catch_unwind(AssertUnwindSafe(|| see::<T>(&mut choices))).ok()?;
        let is_over = match seen {
            Some((read, written)) => {
                if let Some(found) = written.and_then(|written| compare(&read, &written, String::new())) {
                    return Some(Mismatch { within: type_name::<T>(), ..found });
                }
                choices.accept()
            }
            None => choices.give_up(),
        };
        if is_over {
            return None;
        }
    }
    None
}

/// A value as it was read and as it is written, if it can be.
fn see<T: Serialize + DeserializeOwned>(choices: &mut Choices) -> Option<(Node, Option<Node>)> {
    let mut sampler = Sampler::new(choices);
    let value = T::deserialize(&mut sampler).ok()?;
    let read = sampler.finish();
    let mut recorder = Recorder::default();
    let written = value.serialize(&mut recorder).ok().map(|()| recorder.finish());
    Some((read, written))
}

/// A value as it was read or written. What is transparent in a message is so here: newtypes and `Some`.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Leaf(String),
    /// Of a sequence, a tuple or a map. Empty also for what is nothing.
    List(Vec<Node>),
    Struct(Fields),
    Variant(&'static str, Box<Node>),
}

#[derive(Clone, Debug, PartialEq)]
struct Fields {
    name: &'static str,
    /// Where they are read, with the aliases among them.
    keys: Vec<&'static str>,
    values: Vec<Node>,
    /// None was left out, which would have them travel by name.
    by_position: bool,
}

const NOTHING: Node = Node::List(Vec::new());

impl Node {
    fn leaves(&self) -> Vec<&str> {
        match self {
            Node::Leaf(text) => vec![text],
            Node::List(nodes) | Node::Struct(Fields { values: nodes, .. }) => {
                nodes.iter().flat_map(Node::leaves).collect()
            }
            Node::Variant(_, node) => node.leaves(),
        }
    }

    /// Whether what was written is of what was read, whatever they are called. Each leaf that is made up is another.
    fn is_part_of(&self, read: &Node) -> bool {
        let (written, read) = (self.leaves(), read.leaves());
        written.is_empty() == read.is_empty() && written.iter().all(|leaf| read.contains(leaf))
    }
}

fn compare(read: &Node, written: &Node, path: String) -> Option<Mismatch> {
    match (read, written) {
        (Node::List(read), Node::List(written)) if read.len() == written.len() => {
            let mut pairs = read.iter().zip(written);
            pairs.find_map(|(read, written)| compare(read, written, format!("{path}[]")))
        }
        (Node::Variant(name, read), Node::Variant(other, written)) if name == other => {
            compare(read, written, format!("{path}.{name}"))
        }
        (Node::Struct(read), Node::Struct(written)) => read.compare(written, path),
        // What differs so is told where it arrives, or nothing tells it: this is no struct at one end.
        _ => None,
    }
}

impl Fields {
    fn compare(&self, written: &Fields, path: String) -> Option<Mismatch> {
        // What differs in number is refused where it arrives.
        if !written.by_position || self.values.len() != written.values.len() {
            return None;
        }
        if !is_subsequence(&written.keys, &self.keys)
            && let Some(at) = (0..self.values.len()).find(|&at| self.differs(written, at))
        {
            let (name, within) = (written.name, "");
            return Some(Mismatch { path, name, within, written: written.keys[at], read: self.key(at) });
        }
        let mut pairs = self.values.iter().zip(&written.values).zip(&written.keys);
        pairs.find_map(|((read, written), key)| compare(read, written, format!("{path}.{key}")))
    }

    /// A field that has two names, one to be read and one to be written, is known by its value.
    fn differs(&self, written: &Fields, at: usize) -> bool {
        self.key(at) != Some(written.keys[at]) && !written.values[at].is_part_of(&self.values[at])
    }

    /// Nothing tells which names are aliases of which.
    fn key(&self, at: usize) -> Option<&'static str> {
        if self.keys.len() == self.values.len() { self.keys.get(at).copied() } else { None }
    }
}

/// Of fields with aliases, each in its place among them: whether the names are one of each.
fn is_subsequence(names: &[&str], of: &[&str]) -> bool {
    let mut of = of.iter();
    names.iter().all(|name| of.any(|other| other == name))
}

#[cfg(test)]
mod tests;
