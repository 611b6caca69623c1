//! A deserializer that makes up what it gives.

use super::{Fields, NOTHING, Node};
use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use std::any::type_name;
use std::collections::HashMap;
use std::fmt;

type Made<T> = Result<T, Unmade>;

/// Parts of one value at most: what is larger is not made.
const PARTS: usize = 4096;

/// Types that are made within each other at most.
const DEPTH: usize = 64;

/// What is tried in turn where a number is refused. The first is another each time.
const NUMBERS: [Option<u64>; 3] = [None, Some(1), Some(0)];

/// So too of a text: forms that libraries parse.
const TEXTS: [Option<&str>; 9] = [
    None,
    Some("1"),
    Some("2001-02-03T04:05:06Z"),
    Some("2001-02-03"),
    Some("04:05:06"),
    Some("127.0.0.1"),
    Some("00000000-0000-4000-8000-000000000001"),
    Some("http://a.b/"),
    Some("1.0.0"),
];

/// How many forms what takes any value is given in turn.
const ANY: usize = 4;

/// What is made up, from one run to the next.
#[derive(Default)]
pub(super) struct Choices {
    run: usize,
    /// How many forms of a leaf were refused, by its path.
    refused: HashMap<String, usize>,
    /// Of an enum by its path, or by its type where it is within itself.
    variants: HashMap<String, Variants>,
    /// The paths of the enums that were met in this run, each before those in it.
    met: Vec<String>,
    /// Those of them that have not been made, by path or type. The innermost last.
    open: Vec<String>,
    /// The last leaf that was given, and how many forms it has.
    leaf: Option<(String, usize)>,
}

#[derive(Default)]
struct Variants {
    count: usize,
    /// The one that has its turn.
    next: usize,
    /// One that was made.
    good: usize,
}

impl Variants {
    fn is_done(&self) -> bool {
        self.next >= self.count
    }

    fn index(&self) -> usize {
        if self.is_done() { self.good } else { self.next }
    }
}

impl Choices {
    pub(super) fn begin(&mut self, run: usize) {
        self.run = run;
        self.met.clear();
        self.open.clear();
        self.leaf = None;
    }

    /// After a run whose value was made: whether all variants had their turn, and each flag was true and false. An enum goes on
    /// to its next variant when those in it have had all of theirs.
    pub(super) fn accept(&mut self) -> bool {
        for at in (0..self.met.len()).rev() {
            let path = &self.met[at];
            let is_within = |other: &&String| other.starts_with(path.as_str());
            let within = self.met[at + 1..].iter().filter(is_within);
            let are_done = within.map(|other| &self.variants[other]).all(Variants::is_done);
            if let Some(variants) = self.variants.get_mut(path).filter(|_| are_done) {
                variants.good = variants.index();
                variants.next += 1;
            }
        }
        self.run > 0 && self.met.iter().all(|path| self.variants[path].is_done())
    }

    /// After a run whose value was not made: whether there is nothing else to be tried. The last leaf takes another form, or
    /// the innermost enum another variant.
    pub(super) fn give_up(&mut self) -> bool {
        if let Some((path, forms)) = self.leaf.take() {
            let refused = self.refused.entry(path).or_default();
            *refused += 1;
            if *refused < forms {
                return false;
            }
        }
        for path in self.open.iter().rev() {
            if let Some(variants) = self.variants.get_mut(path).filter(|variants| !variants.is_done()) {
                variants.next += 1;
                return false;
            }
        }
        true
    }

    fn form(&mut self, path: &str, forms: usize) -> usize {
        self.leaf = Some((path.to_owned(), forms));
        self.refused.get(path).map_or(0, |refused| *refused % forms)
    }

    fn variant(&mut self, path: &str, count: usize) -> usize {
        let variants = self.variants.entry(path.to_owned()).or_default();
        variants.count = count;
        self.open.push(path.to_owned());
        variants.index()
    }
}

pub(super) struct Sampler<'c> {
    choices: &'c mut Choices,
    path: String,
    /// The types that are being made, the innermost last.
    types: Vec<&'static str>,
    made: Vec<Node>,
    parts: usize,
}

impl<'c> Sampler<'c> {
    pub(super) fn new(choices: &'c mut Choices) -> Sampler<'c> {
        Sampler { choices, path: String::new(), types: Vec::new(), made: Vec::new(), parts: 0 }
    }

    pub(super) fn finish(mut self) -> Node {
        self.made.pop().unwrap_or(NOTHING)
    }

    /// A part of what is being made, which leaves one node behind.
    fn part<'de, T: DeserializeSeed<'de>>(&mut self, step: &str, seed: T) -> Made<T::Value> {
        let (path, start) = (self.path.len(), self.made.len());
        self.parts += 1;
        self.check(self.parts <= PARTS)?;
        self.path.push_str(step);
        let value = seed.deserialize(&mut *self)?;
        self.path.truncate(path);
        if self.made.len() == start {
            self.made.push(NOTHING);
        }
        self.made.truncate(start + 1);
        Ok(value)
    }

    /// Whether it has become too large, which no other leaf would change.
    fn check(&mut self, is_small: bool) -> Made<()> {
        if is_small {
            return Ok(());
        }
        self.choices.leaf = None;
        Err(Unmade)
    }

    /// What may be within itself.
    fn typed<T>(&mut self, make: impl FnOnce(&mut Self) -> Made<T>) -> Made<T> {
        self.check(self.types.len() < DEPTH)?;
        self.types.push(type_name::<T>());
        let made = make(self)?;
        self.types.pop();
        Ok(made)
    }

    /// Whether the innermost type is within itself.
    fn recurs(&self) -> bool {
        self.types.split_last().is_some_and(|(last, outer)| outer.contains(last))
    }

    fn leaf(&mut self, text: &impl ToString) {
        self.made.push(Node::Leaf(text.to_string()));
    }

    fn unique(&self) -> u64 {
        // As small as any number may have to be, and never zero.
        1 + (self.parts as u64 + self.choices.run as u64) % 100
    }

    fn number<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Made<V::Value> {
        let form = self.choices.form(&self.path, NUMBERS.len());
        let number = NUMBERS[form].unwrap_or_else(|| self.unique());
        self.leaf(&number);
        visitor.visit_u64(number)
    }

    fn float<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Made<V::Value> {
        let number = self.unique();
        self.leaf(&number);
        visitor.visit_f64(number as f64)
    }

    fn text<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Made<V::Value> {
        let form = self.choices.form(&self.path, TEXTS.len());
        let text = TEXTS[form].map_or_else(|| format!("s{}", self.unique()), str::to_owned);
        self.leaf(&text);
        visitor.visit_string(text)
    }

    fn binary<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Made<V::Value> {
        let bytes = vec![self.unique() as u8];
        self.leaf(&format!("{bytes:?}"));
        visitor.visit_byte_buf(bytes)
    }

    fn nothing<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Made<V::Value> {
        self.made.push(NOTHING);
        visitor.visit_unit()
    }

    fn list<'de, V: Visitor<'de>>(&mut self, len: usize, visitor: V) -> Made<V::Value> {
        self.container(|sampler| visitor.visit_seq(Parts { sampler, left: len, keys: &[] }))
    }

    fn container<T>(&mut self, make: impl FnOnce(&mut Self) -> Made<T>) -> Made<T> {
        let start = self.made.len();
        let value = make(self)?;
        let parts = self.made.split_off(start);
        self.made.push(Node::List(parts));
        Ok(value)
    }

    fn fields<'de, V: Visitor<'de>>(
        &mut self,
        name: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Made<V::Value> {
        let start = self.made.len();
        let value = visitor.visit_seq(Parts { sampler: self, left: keys.len(), keys })?;
        let values = self.made.split_off(start);
        self.made.push(Node::Struct(Fields { name, keys: keys.to_vec(), values, by_position: true }));
        Ok(value)
    }
}

macro_rules! made {
    ($($method:ident: $way:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Made<V::Value> {
            self.$way(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Sampler<'_> {
    type Error = Unmade;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Made<V::Value> {
        match self.choices.form(&self.path, ANY) {
            0 => self.nothing(visitor),
            1 => self.number(visitor),
            2 => self.text(visitor),
            _ => self.list(0, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Made<V::Value> {
        let flag = self.choices.run.is_multiple_of(2);
        self.leaf(&flag);
        visitor.visit_bool(flag)
    }

    made! {
        deserialize_i8: number, deserialize_i16: number, deserialize_i32: number, deserialize_i64: number,
        deserialize_i128: number, deserialize_u8: number, deserialize_u16: number, deserialize_u32: number,
        deserialize_u64: number, deserialize_u128: number, deserialize_f32: float, deserialize_f64: float,
        deserialize_str: text, deserialize_string: text, deserialize_identifier: text, deserialize_bytes: binary,
        deserialize_byte_buf: binary, deserialize_unit: nothing, deserialize_ignored_any: nothing
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Made<V::Value> {
        let letter = char::from(b'!' + (self.unique() % 90) as u8);
        self.leaf(&letter);
        visitor.visit_char(letter)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Made<V::Value> {
        self.typed(|sampler| {
            if sampler.recurs() {
                sampler.made.push(NOTHING);
                return visitor.visit_none();
            }
            visitor.visit_some(sampler)
        })
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Made<V::Value> {
        self.nothing(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Made<V::Value> {
        self.typed(|sampler| visitor.visit_newtype_struct(sampler))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Made<V::Value> {
        self.typed(|sampler| {
            let len = usize::from(!sampler.recurs());
            sampler.list(len, visitor)
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Made<V::Value> {
        self.typed(|sampler| sampler.list(len, visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Made<V::Value> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Made<V::Value> {
        self.typed(|sampler| {
            let left = usize::from(!sampler.recurs());
            sampler.container(|sampler| visitor.visit_map(Parts { sampler, left, keys: &[] }))
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Made<V::Value> {
        self.typed(|sampler| sampler.fields(name, keys, visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Made<V::Value> {
        self.typed(|sampler| {
            // Within itself it is of whatever variant ends it.
            let path = if sampler.recurs() { type_name::<V::Value>() } else { &sampler.path };
            let at = sampler.choices.variant(path, variants.len());
            if !sampler.recurs() {
                sampler.choices.met.push(sampler.path.clone());
            }
            let (&variant, start) = (variants.get(at).ok_or(Unmade)?, sampler.made.len());
            let (path, step) = (sampler.path.len(), format!(".{variant}"));
            sampler.path.push_str(&step);
            let value = visitor.visit_enum(Variant { sampler: &mut *sampler, name, variant })?;
            sampler.path.truncate(path);
            let data = sampler.made.split_off(start).pop().unwrap_or(NOTHING);
            sampler.made.push(Node::Variant(variant, Box::new(data)));
            sampler.choices.open.pop();
            Ok(value)
        })
    }
}

/// The parts of a container, or the fields of a struct.
struct Parts<'s, 'c> {
    sampler: &'s mut Sampler<'c>,
    left: usize,
    keys: &'static [&'static str],
}

impl Parts<'_, '_> {
    fn step(&self) -> String {
        match self.keys.len().checked_sub(self.left + 1).and_then(|at| self.keys.get(at)) {
            Some(key) => format!(".{key}"),
            None => format!("[{}]", self.left),
        }
    }
}

impl<'de> SeqAccess<'de> for Parts<'_, '_> {
    type Error = Unmade;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Made<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.sampler.part(&self.step(), seed).map(Some)
    }
}

impl<'de> MapAccess<'de> for Parts<'_, '_> {
    type Error = Unmade;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Made<Option<K::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.sampler.part("[key]", seed).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Made<V::Value> {
        self.sampler.part("[]", seed)
    }
}

struct Variant<'s, 'c> {
    sampler: &'s mut Sampler<'c>,
    /// Of the enum.
    name: &'static str,
    variant: &'static str,
}

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = Unmade;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Made<(V::Value, Self)> {
        let name: StrDeserializer<'_, Unmade> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = Unmade;

    fn unit_variant(self) -> Made<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Made<T::Value> {
        self.sampler.part("", seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Made<V::Value> {
        self.sampler.list(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, keys: &'static [&'static str], visitor: V) -> Made<V::Value> {
        self.sampler.fields(self.name, keys, visitor)
    }
}

/// A value that cannot be made up so.
#[derive(Debug)]
pub(super) struct Unmade;

impl fmt::Display for Unmade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not made")
    }
}

impl std::error::Error for Unmade {}

impl serde::de::Error for Unmade {
    fn custom<T: fmt::Display>(_: T) -> Unmade {
        Unmade
    }
}
