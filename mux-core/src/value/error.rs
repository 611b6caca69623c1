//! Why a value has no bytes, and why bytes are no value: what was found, what was expected, and where in the value.

use serde::de::{Error, Expected, Unexpected};
use std::fmt::{self, Display, Write as _};

/// What of a text that came from a peer is quoted, in bytes.
const QUOTED: usize = 64;

/// Steps of a path that are told.
const STEPS: usize = 16;

/// What of a message of a user's type is kept, in bytes.
const TOLD: usize = 1024;

/// An argument that could not be encoded.
#[derive(Debug)]
pub struct EncodeError(pub(crate) String);

impl Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EncodeError {}

/// Behind a pointer, as every step of decoding returns it.
#[derive(Debug)]
pub(crate) struct DecodeError(Box<Parts>);

#[derive(Debug)]
struct Parts {
    what: String,
    /// The steps to it, the last one first.
    path: Vec<String>,
    /// There is no step that would tell anything.
    is_everywhere: bool,
}

impl DecodeError {
    #[cold]
    pub(crate) fn new(what: impl Into<String>) -> DecodeError {
        DecodeError(Box::new(Parts { what: what.into(), path: Vec::new(), is_everywhere: false }))
    }

    /// Where does not matter.
    #[cold]
    pub(crate) fn everywhere(what: impl Into<String>) -> DecodeError {
        let mut error = DecodeError::new(what);
        error.0.is_everywhere = true;
        error
    }

    #[cold]
    pub(crate) fn found(found: &str, expected: &dyn Expected) -> DecodeError {
        DecodeError::new(format!("found {found}, expected {expected}"))
    }

    pub(crate) fn with_hint(mut self, hint: &str) -> DecodeError {
        self.0.what = format!("{}; {hint}", self.0.what);
        self
    }

    /// It lies within the element of that index.
    #[cold]
    pub(crate) fn at_index(self, index: u32) -> DecodeError {
        self.at(format!("[{index}]"))
    }

    /// It lies within the field, entry or variant of that name.
    #[cold]
    pub(crate) fn at_name(self, name: &str) -> DecodeError {
        let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let name = shortened(name, QUOTED);
        self.at(if plain { format!(".{name}") } else { format!("[{name:?}]") })
    }

    fn at(mut self, step: String) -> DecodeError {
        if !self.0.is_everywhere {
            self.0.path.push(step);
        }
        self
    }

    /// Where in the value it lies: `.lines[2].sku`, or nothing.
    pub(crate) fn path(&self) -> String {
        let more = if self.0.path.len() > STEPS { "…" } else { "" };
        self.0.path.iter().rev().take(STEPS).map(String::as_str).chain([more]).collect()
    }

    /// What was found and what was expected.
    pub(crate) fn what(&self) -> &str {
        &self.0.what
    }
}

/// Of a value that has no name: `lines[2].sku: found a string, expected u32`.
impl Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        let path = path.strip_prefix('.').unwrap_or(&path);
        if !path.is_empty() {
            write!(f, "`{path}`: ")?;
        }
        f.write_str(&self.0.what)
    }
}

impl std::error::Error for DecodeError {}

impl Error for DecodeError {
    #[cold]
    fn custom<T: Display>(message: T) -> DecodeError {
        let mut what = message.to_string();
        what.truncate(what.floor_char_boundary(TOLD));
        DecodeError::new(what)
    }

    #[cold]
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> DecodeError {
        DecodeError::found(&kind(found), expected)
    }

    #[cold]
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> DecodeError {
        DecodeError::found(&kind(found), expected)
    }

    #[cold]
    fn invalid_length(len: usize, expected: &dyn Expected) -> DecodeError {
        DecodeError::found(&elements(len), expected)
    }

    #[cold]
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> DecodeError {
        DecodeError::new(format!("found no variant `{}`, {}", shortened(variant, QUOTED), any_of(expected)))
    }

    #[cold]
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> DecodeError {
        DecodeError::new(format!(
            "found an unknown field `{}`, {}",
            shortened(field, QUOTED),
            any_of(expected)
        ))
    }
}

pub(crate) fn elements(len: usize) -> String {
    if len == 1 { "1 element".to_owned() } else { format!("{len} elements") }
}

fn any_of(names: &[&str]) -> String {
    let mut text = String::from("expected ");
    if names.is_empty() {
        text.push_str("none");
    }
    for (place, name) in names.iter().enumerate() {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{}`{name}`", if place > 0 { ", " } else { "" });
    }
    text.truncate(text.floor_char_boundary(TOLD));
    text
}

/// Text of a user's is not told: it may be a secret. Numbers are, as their size may be what is wrong.
fn kind(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("the boolean {value}"),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number:?}"),
        Unexpected::Char(_) => "a character".to_owned(),
        Unexpected::Str(_) => "a string".to_owned(),
        Unexpected::Bytes(_) => "binary".to_owned(),
        Unexpected::Unit => "nil".to_owned(),
        Unexpected::Option => "an option".to_owned(),
        Unexpected::Seq => "an array".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => format!("a {}", shortened(&other.to_string(), QUOTED)),
    }
}

fn shortened(text: &str, len: usize) -> &str {
    &text[..text.floor_char_boundary(len)]
}
