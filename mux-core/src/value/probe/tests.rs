// Some fields are there for serde alone.
#![allow(dead_code)]

use super::{begin, item, probe};
use crate::channel::{Receiver, Sender};
use bytes::Bytes;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::ops::{Bound, Range};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Of as many fields, others are written than read.
#[derive(Serialize, Deserialize)]
struct Split {
    same: u8,
    #[serde(default, skip_serializing)]
    read: u8,
    #[serde(skip_deserializing)]
    written: u8,
}

/// Where two fields are taken for each other, and which: `path: written/read`.
fn found<T: Serialize + DeserializeOwned + 'static>() -> Option<String> {
    let found = begin::<T>()?;
    Some(format!("{}: {}/{}", found.path, found.written, found.read.unwrap_or("?")))
}

fn is_fine<T: Serialize + DeserializeOwned + 'static>() {
    assert_eq!(found::<T>(), None, "{}", std::any::type_name::<T>());
}

fn is_found<T: Serialize + DeserializeOwned + 'static>(what: &str) {
    assert_eq!(found::<T>().as_deref(), Some(what), "{}", std::any::type_name::<T>());
}

#[test]
fn a_type_that_reads_what_it_writes_is_fine() {
    #[derive(Serialize, Deserialize)]
    struct Same {
        a: u8,
        b: Option<Option<String>>,
        #[serde(skip)]
        c: u8,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        d: Vec<(bool, char, f32, i64, u128)>,
        e: BTreeMap<String, Bytes>,
    }
    is_fine::<Same>();
    is_fine::<(u8, (), [i8; 3], HashSet<u16>, Box<str>, Result<Same, String>)>();
    is_fine::<(IpAddr, SocketAddr, Duration, SystemTime, Range<u8>, Bound<u8>, PathBuf, NonZeroU64)>();
}

#[test]
fn fields_that_have_the_same_position_are_found() {
    is_found::<Split>(": written/read");
}

#[test]
fn a_type_whose_numbers_differ_is_left_to_the_decoder() {
    #[derive(Serialize, Deserialize)]
    struct Fewer {
        a: u8,
        #[serde(default, skip_serializing)]
        b: u8,
    }
    is_fine::<Fewer>();
}

#[test]
fn fields_that_have_changed_places_are_found() {
    #[derive(Deserialize)]
    struct Swapped {
        a: u8,
        b: u8,
    }
    impl Serialize for Swapped {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut fields = to.serialize_struct("Swapped", 2)?;
            fields.serialize_field("b", &self.b)?;
            fields.serialize_field("a", &self.a)?;
            fields.end()
        }
    }
    is_found::<Swapped>(": b/a");
}

#[test]
fn wherever_it_is_it_is_found() {
    #[derive(Serialize, Deserialize)]
    struct Outer<T> {
        before: u8,
        #[serde(rename = "in")]
        inner: T,
    }
    #[derive(Serialize, Deserialize)]
    enum Choice {
        Nothing,
        Number(u8),
        Deep(Box<Kind>),
        More(u8, Vec<u8>),
    }
    #[derive(Serialize, Deserialize)]
    enum Kind {
        A,
        B { x: u8 },
        C(u8, Split),
    }
    #[derive(Serialize, Deserialize)]
    enum Fields {
        Split {
            #[serde(default, skip_serializing)]
            a: bool,
            #[serde(skip_deserializing)]
            b: bool,
        },
    }
    is_found::<Outer<Split>>(".in: written/read");
    is_found::<Vec<Outer<Option<Split>>>>("[].in: written/read");
    is_found::<BTreeMap<u8, Option<Box<Split>>>>("[]: written/read");
    is_found::<Outer<Outer<Vec<Split>>>>(".in.in[]: written/read");
    is_found::<(Choice, u8)>("[].Deep.C[]: written/read");
    is_found::<Result<Choice, Split>>(".Ok.Deep.C[]: written/read");
    is_found::<Fields>(".Split: b/a");
}

#[test]
fn an_alias_is_no_other_field() {
    #[derive(Serialize, Deserialize)]
    struct Aliased {
        #[serde(alias = "z", alias = "0")]
        a: u8,
        #[serde(alias = "c")]
        b: u8,
    }
    #[derive(Serialize, Deserialize)]
    struct AliasedSplit {
        #[serde(alias = "z")]
        a: u8,
        #[serde(default, skip_serializing)]
        b: u8,
        #[serde(skip_deserializing)]
        c: u8,
    }
    is_fine::<Aliased>();
    is_found::<AliasedSplit>(": c/?");
}

#[test]
fn a_field_that_is_written_by_one_name_and_read_by_another_is_known_by_its_value() {
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all(serialize = "UPPERCASE"))]
    struct Renamed {
        a: u8,
        b: bool,
        #[serde(rename(serialize = "a", deserialize = "c"))]
        c: Vec<String>,
        marker: std::marker::PhantomData<u8>,
    }
    is_fine::<Renamed>();
}

#[test]
fn a_struct_that_leaves_a_field_out_goes_by_names() {
    #[derive(Serialize, Deserialize)]
    struct Skipping {
        #[serde(default, skip_serializing)]
        a: u8,
        #[serde(skip_deserializing)]
        b: u8,
        #[serde(default, skip_serializing_if = "always")]
        c: u8,
        #[serde(skip_deserializing)]
        d: u8,
    }
    fn always(_: &u8) -> bool {
        true
    }
    is_fine::<Skipping>();
}

#[test]
fn a_type_within_itself_comes_to_an_end() {
    #[derive(Serialize, Deserialize)]
    struct Tree {
        value: u8,
        children: Vec<Tree>,
        left: Option<Box<Tree>>,
        by_name: BTreeMap<String, Tree>,
    }
    #[derive(Serialize, Deserialize)]
    enum Sum {
        Both(Box<Sum>, Box<Sum>),
        Minus { of: Box<Sum> },
        Number(Split),
    }
    #[derive(Serialize, Deserialize)]
    struct Endless(Box<Endless>);
    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Optional(Option<Box<Optional>>);
    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Several(Vec<Several>);
    is_fine::<(Optional, Several)>();
    is_fine::<Tree>();
    is_found::<Sum>(".Both[].Number: written/read");
    is_fine::<Endless>();
}

#[test]
fn what_refuses_what_is_made_up_is_tried_with_other_forms_or_not_probed() {
    /// Takes texts of this form only.
    #[derive(Serialize)]
    struct Date(String);
    impl<'de> Deserialize<'de> for Date {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Date, D::Error> {
            let text = String::deserialize(from)?;
            if text.len() == 10 && text.matches('-').count() == 2 {
                Ok(Date(text))
            } else {
                Err(D::Error::custom("no date"))
            }
        }
    }
    #[derive(Serialize)]
    struct Never;
    impl<'de> Deserialize<'de> for Never {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Never, D::Error> {
            Err(D::Error::custom("never"))
        }
    }
    #[derive(Serialize, Deserialize)]
    enum Either {
        Never(Never),
        Split(Split),
    }
    is_found::<(Date, Split)>("[]: written/read");
    is_fine::<(Never, Split)>();
    is_found::<Either>(".Split: written/read");
}

#[test]
fn a_panic_of_the_users_is_caught() {
    #[derive(Serialize)]
    struct Panics;
    impl<'de> Deserialize<'de> for Panics {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Panics, D::Error> {
            panic!("on purpose")
        }
    }
    is_fine::<(Panics, Split)>();
    // Nothing is left of it.
    is_found::<Split>(": written/read");
    assert!(!super::is_within());
}

#[test]
fn the_items_of_channels_are_probed_too() {
    #[derive(Serialize, Deserialize)]
    struct Channels {
        numbers: Sender<u8>,
        splits: Receiver<Vec<Split>>,
    }
    /// Has itself for items.
    #[derive(Serialize, Deserialize)]
    struct Further(Option<Receiver<Further>>);
    is_found::<Channels>("[item][]: written/read");
    is_found::<Receiver<u8, Split>>("[item]: written/read");
    is_fine::<Further>();
    // Where nothing is probed this does nothing.
    item::<Split>();
}

#[test]
fn what_is_found_is_told_with_the_type_the_path_and_both_fields() {
    let found = probe::<Vec<Split>>().unwrap().to_string();
    let within = "alloc::vec::Vec<mux_core::value::probe::tests::Split>";
    assert_eq!(
        found,
        format!(
            " at `[]`: `Split` (in `{within}`) writes its field `written` where it reads `read`, and positions do not \
             tell; `encoding = \"named\"` goes by names"
        )
    );
}
