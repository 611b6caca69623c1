//! Any bytes as a value, of a type with something of everything. What is read can be written, and is read again as the
//! same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mux_core::private::{Encoding, decode_value, encode_value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct All {
    number: i64,
    long: u128,
    text: String,
    letter: Option<char>,
    bytes: Vec<u8>,
    maybe: Option<Option<bool>>,
    nothing: Option<()>,
    pair: (u8, i16),
    map: BTreeMap<u32, String>,
    time: Option<Duration>,
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shapes: Vec<Shape>,
    tagged: Option<Tagged>,
    untagged: Option<Untagged>,
    child: Option<Box<All>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(u64),
    Tuple(i8, String),
    Struct { name: String, size: Option<u32> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Empty,
    Full { count: u16, long: u64 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i32),
    Text(String),
    List(Vec<i32>),
}

fuzz_target!(|bytes: &[u8]| {
    for encoding in [Encoding::Named, Encoding::Compact] {
        let Ok(value) = decode_value::<All>(bytes, encoding) else { continue };
        // What `compact` cannot tell apart it refuses to write.
        let Some(written) = encode_value(&value, encoding) else { continue };
        match decode_value::<All>(&written, encoding) {
            Ok(again) => assert_eq!(again, value, "{encoding:?} {written:x?}"),
            Err(why) => assert_eq!(encoding, Encoding::Compact, "{why} {written:x?}"),
        }
    }
});
