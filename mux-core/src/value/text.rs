//! An encoded value as text for people, much like JSON: structs by position are arrays, binary is told by its length.

use super::ext;
use mux_proto::wire::shape::{first_value, nests_acceptably};
use rmp::Marker;
use rmp::decode;
use std::fmt::{self, Write};

/// Writes the value; what is no MessagePack is told by its length.
pub(crate) fn write(value: &[u8], out: &mut impl Write) -> fmt::Result {
    let is_whole = first_value(value) == Some(value.len()) && nests_acceptably(value);
    if is_whole { write_value(&mut &*value, out) } else { write!(out, "<{} bytes>", value.len()) }
}

/// Of a value that is whole, and nests no deeper than others.
fn write_value(rest: &mut &[u8], out: &mut impl Write) -> fmt::Result {
    let start = *rest;
    let marker = there(decode::read_marker(rest))?;
    match marker {
        Marker::Null => out.write_str("null"),
        Marker::True => out.write_str("true"),
        Marker::False => out.write_str("false"),
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            let text = long(start, rest, decode::read_str_len)?;
            write!(out, "{:?}", String::from_utf8_lossy(text))
        }
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            let binary = long(start, rest, decode::read_bin_len)?;
            write!(out, "<{} bytes>", binary.len())
        }
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            *rest = start;
            let count = there(decode::read_array_len(rest))?;
            write_all(count, ('[', ']'), out, |out| write_value(rest, out))
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
            *rest = start;
            let count = there(decode::read_map_len(rest))?;
            write_all(count, ('{', '}'), out, |out| {
                write_value(rest, out)?;
                out.write_str(": ")?;
                write_value(rest, out)
            })
        }
        Marker::FixPos(_)
        | Marker::FixNeg(_)
        | Marker::U8
        | Marker::U16
        | Marker::U32
        | Marker::U64
        | Marker::I8
        | Marker::I16
        | Marker::I32
        | Marker::I64
        | Marker::F32
        | Marker::F64 => {
            *rest = start;
            write_number(marker, rest, out)
        }
        _ => write_extension(start, rest, out),
    }
}

fn write_number(marker: Marker, rest: &mut &[u8], out: &mut impl Write) -> fmt::Result {
    match marker {
        Marker::F32 => write!(out, "{:?}", there(decode::read_f32(rest))?),
        Marker::F64 => write!(out, "{:?}", there(decode::read_f64(rest))?),
        _ => write!(out, "{}", there(decode::read_int::<i128, _>(rest))?),
    }
}

fn write_extension<'a>(start: &'a [u8], rest: &mut &'a [u8], out: &mut impl Write) -> fmt::Result {
    *rest = start;
    let meta = there(decode::read_ext_meta(rest))?;
    let (data, after) = rest.split_at_checked(meta.size as usize).ok_or(fmt::Error)?;
    *rest = after;
    match (meta.typeid, data.try_into()) {
        (ext::I128, Ok(data)) => write!(out, "{}", i128::from_be_bytes(data)),
        (ext::U128, Ok(data)) => write!(out, "{}", u128::from_be_bytes(data)),
        // Some number of `Some` around nothing.
        (ext::SOME, _) => out.write_str("null"),
        (kind, _) => write!(out, "<{} bytes of type {kind}>", data.len()),
    }
}

fn write_all<W: Write>(
    count: u32,
    (open, close): (char, char),
    out: &mut W,
    mut write: impl FnMut(&mut W) -> fmt::Result,
) -> fmt::Result {
    out.write_char(open)?;
    for index in 0..count {
        if index > 0 {
            out.write_str(", ")?;
        }
        write(out)?;
    }
    out.write_char(close)
}

/// A run of bytes behind its length.
fn long<'a, E>(
    start: &'a [u8],
    rest: &mut &'a [u8],
    len: impl FnOnce(&mut &'a [u8]) -> Result<u32, E>,
) -> Result<&'a [u8], fmt::Error> {
    *rest = start;
    let len = there(len(rest))?;
    let (run, after) = rest.split_at_checked(len as usize).ok_or(fmt::Error)?;
    *rest = after;
    Ok(run)
}

/// What is read of a whole value is there.
fn there<T, E>(read: Result<T, E>) -> Result<T, fmt::Error> {
    read.map_err(|_| fmt::Error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::descriptor::Encoding;
    use crate::value::body::ArgsEncoder;
    use serde::Serialize;
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    struct Row {
        name: &'static str,
        price: f32,
        left: Option<Option<i64>>,
        tags: Vec<u128>,
        map: BTreeMap<u8, bool>,
    }

    fn text(encoding: Encoding) -> String {
        let map = BTreeMap::from([(1, true)]);
        let row = Row { name: "a\u{7}\"b", price: 1.5, left: Some(None), tags: vec![1 << 100], map };
        let mut args = ArgsEncoder::new(encoding);
        args.all(&[&row, &-3, &mux_bytes()]).unwrap();
        let mut out = String::new();
        write(&args.finish().0.to_vec(), &mut out).unwrap();
        out
    }

    fn mux_bytes() -> bytes::Bytes {
        bytes::Bytes::from_static(&[1, 2, 3])
    }

    #[test]
    fn a_value_is_written_as_people_read_it() {
        let fields = r#"{"name": "a\u{7}\"b", "price": 1.5, "left": null, "tags": [1267650600228229401496703205376], "map": {1: true}}"#;
        assert_eq!(text(Encoding::Named), format!("[{fields}, -3, <3 bytes>]"));
        let fields = r#"["a\u{7}\"b", 1.5, null, [1267650600228229401496703205376], {1: true}]"#;
        assert_eq!(text(Encoding::Compact), format!("[{fields}, -3, <3 bytes>]"));
    }

    #[test]
    fn what_is_no_value_is_told_by_its_length() {
        let deep = [&[0x91; 5000][..], &[0xc0]].concat();
        for (bytes, told) in [(&[0x92, 1][..], "<2 bytes>"), (&[1, 2], "<2 bytes>"), (&deep, "<5001 bytes>")]
        {
            let mut out = String::new();
            write(bytes, &mut out).unwrap();
            assert_eq!(out, told);
        }
    }
}
