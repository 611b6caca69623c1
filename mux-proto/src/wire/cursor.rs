//! Reads and writes MessagePack in place: what nearly all frames have without a call, the rest by `rmp`.

use crate::wire::frame::{BadFrame, End, MethodPath, NIL, empty_as_nil};
use alloc::format;
use alloc::vec::Vec;
use rmp::{Marker, decode as read, encode as write};

/// A cursor over a frame's bytes.
pub(crate) struct Input<'a> {
    pub(crate) rest: &'a [u8],
}

impl<'a> Input<'a> {
    #[inline]
    pub(crate) fn array_len(&mut self, what: &str) -> Result<u32, BadFrame> {
        if let [marker @ 0x90..=0x9f, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u32::from(marker & 0x0f));
        }
        self.long_array_len(what)
    }

    #[cold]
    fn long_array_len(&mut self, what: &str) -> Result<u32, BadFrame> {
        read::read_array_len(&mut self.rest).map_err(|_| bad(what, "an array"))
    }

    pub(crate) fn map_len(&mut self, what: &str) -> Result<u32, BadFrame> {
        read::read_map_len(&mut self.rest).map_err(|_| bad(what, "a map"))
    }

    #[inline]
    pub(crate) fn uint(&mut self, what: &str) -> Result<u64, BadFrame> {
        let (value, rest) = match *self.rest {
            [value @ 0..=0x7f, ref rest @ ..] => (u64::from(value), rest),
            [0xcd, a, b, ref rest @ ..] => (u64::from(u16::from_be_bytes([a, b])), rest),
            [0xce, a, b, c, d, ref rest @ ..] => (u64::from(u32::from_be_bytes([a, b, c, d])), rest),
            _ => return self.any_uint(what),
        };
        self.rest = rest;
        Ok(value)
    }

    #[cold]
    fn any_uint(&mut self, what: &str) -> Result<u64, BadFrame> {
        read::read_int(&mut self.rest).map_err(|_| bad(what, "an unsigned integer"))
    }

    pub(crate) fn u32(&mut self, what: &str) -> Result<u32, BadFrame> {
        read::read_int(&mut self.rest).map_err(|_| bad(what, "an unsigned integer below 2^32"))
    }

    #[inline]
    pub(crate) fn str(&mut self, what: &str) -> Result<&'a str, BadFrame> {
        let bytes = self.str_bytes(what)?;
        core::str::from_utf8(bytes).map_err(|_| bad(what, "valid UTF-8"))
    }

    #[inline]
    pub(crate) fn str_bytes(&mut self, what: &str) -> Result<&'a [u8], BadFrame> {
        let len = match self.rest {
            [marker @ 0xa0..=0xbf, rest @ ..] => {
                self.rest = rest;
                usize::from(marker & 0x1f)
            }
            _ => self.long_str_len(what)?,
        };
        self.take(len, what)
    }

    #[cold]
    fn long_str_len(&mut self, what: &str) -> Result<usize, BadFrame> {
        read::read_str_len(&mut self.rest).map(|len| len as usize).map_err(|_| bad(what, "a string"))
    }

    pub(crate) fn bin(&mut self, what: &str) -> Result<&'a [u8], BadFrame> {
        let len = read::read_bin_len(&mut self.rest).map_err(|_| bad(what, "binary"))?;
        self.take(len as usize, what)
    }

    pub(crate) fn uint_or_nil(&mut self, what: &str) -> Result<Option<u64>, BadFrame> {
        if self.take_nil() { Ok(None) } else { self.uint(what).map(Some) }
    }

    /// A map with string keys, still encoded.
    #[inline]
    pub(crate) fn map_or_nil(&mut self, what: &str) -> Result<Option<&'a [u8]>, BadFrame> {
        if self.take_nil() { Ok(None) } else { self.map(what).map(Some) }
    }

    fn map(&mut self, what: &str) -> Result<&'a [u8], BadFrame> {
        let start = self.rest;
        let len = self.map_len(what)?;
        for _ in 0..len {
            self.str(what)?;
            self.skip(what)?;
        }
        Ok(&start[..start.len() - self.rest.len()])
    }

    pub(crate) fn value_or_nil(&mut self, what: &str) -> Result<Option<&'a [u8]>, BadFrame> {
        if self.take_nil() {
            return Ok(None);
        }
        let start = self.rest;
        self.skip(what)?;
        Ok(Some(&start[..start.len() - self.rest.len()]))
    }

    /// The frame's last part. Whether it is one well-formed value is for its reader to say: a bad
    /// body ends one call, not the connection.
    #[inline]
    pub(crate) fn remainder(&mut self, what: &str) -> Result<&'a [u8], BadFrame> {
        let rest = core::mem::take(&mut self.rest);
        if rest.is_empty() { Err(bad(what, "a value")) } else { Ok(rest) }
    }

    /// Steps over one value of any shape, without recursion: every element costs a byte at least, so
    /// a claim larger than what is left is refused at once.
    pub(crate) fn skip(&mut self, what: &str) -> Result<(), BadFrame> {
        let mut left = 1_u64;
        while left > 0 {
            if left > self.rest.len() as u64 {
                return Err(bad(what, "a whole value"));
            }
            left = left - 1 + self.skip_one(what)?;
        }
        Ok(())
    }

    /// Steps over one marker and its data; returns how many values it announces.
    pub(crate) fn skip_one(&mut self, what: &str) -> Result<u64, BadFrame> {
        let marker = Marker::from_u8(self.take(1, what)?[0]);
        let (data, values) = match marker {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => (0, 0),
            Marker::U8 | Marker::I8 => (1, 0),
            Marker::U16 | Marker::I16 | Marker::FixExt1 => (2, 0),
            Marker::U32 | Marker::I32 | Marker::F32 => (4, 0),
            Marker::U64 | Marker::I64 | Marker::F64 => (8, 0),
            Marker::FixExt2 => (3, 0),
            Marker::FixExt4 => (5, 0),
            Marker::FixExt8 => (9, 0),
            Marker::FixExt16 => (17, 0),
            Marker::FixStr(len) => (usize::from(len), 0),
            Marker::Str8 | Marker::Bin8 => (self.len(1, what)?, 0),
            Marker::Str16 | Marker::Bin16 => (self.len(2, what)?, 0),
            Marker::Str32 | Marker::Bin32 => (self.len(4, what)?, 0),
            Marker::Ext8 => (self.len(1, what)? + 1, 0),
            Marker::Ext16 => (self.len(2, what)? + 1, 0),
            Marker::Ext32 => (self.len(4, what)?.saturating_add(1), 0),
            Marker::FixArray(len) => (0, u64::from(len)),
            Marker::FixMap(len) => (0, 2 * u64::from(len)),
            Marker::Array16 => (0, self.len(2, what)? as u64),
            Marker::Array32 => (0, self.len(4, what)? as u64),
            Marker::Map16 => (0, 2 * self.len(2, what)? as u64),
            Marker::Map32 => (0, 2 * self.len(4, what)? as u64),
            Marker::Reserved => return Err(bad(what, "MessagePack")),
        };
        self.take(data, what)?;
        Ok(values)
    }

    fn len(&mut self, width: usize, what: &str) -> Result<usize, BadFrame> {
        let bytes = self.take(width, what)?;
        Ok(bytes.iter().fold(0, |len, &byte| len << 8 | usize::from(byte)))
    }

    #[inline]
    fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], BadFrame> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| bad(what, "a whole value"))?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn take_nil(&mut self) -> bool {
        let nil = self.rest.first() == Some(&Marker::Null.to_u8());
        if nil {
            self.rest = &self.rest[1..];
        }
        nil
    }
}

/// Appends MessagePack to a buffer. Writing to a `Vec` cannot fail, so results are dropped here, once.
pub(crate) struct Output<'o> {
    pub(crate) out: &'o mut Vec<u8>,
}

impl Output<'_> {
    #[inline]
    pub(crate) fn head(&mut self, fields: u32, kind: u64) -> &mut Self {
        let _ = write::write_array_len(self.out, fields);
        self.uint(kind)
    }

    #[inline]
    pub(crate) fn uint(&mut self, value: u64) -> &mut Self {
        let _ = write::write_uint(self.out, value);
        self
    }

    pub(crate) fn uint_or_nil(&mut self, value: Option<u64>) -> &mut Self {
        match value {
            Some(value) => self.uint(value),
            None => self.raw_or_nil(None),
        }
    }

    pub(crate) fn str(&mut self, value: &str) -> &mut Self {
        let _ = write::write_str(self.out, value);
        self
    }

    #[inline]
    pub(crate) fn path(&mut self, path: MethodPath<'_>) -> &mut Self {
        let utf8 = path.as_bytes();
        let _ = write::write_str_len(self.out, utf8.len() as u32);
        self.out.extend_from_slice(utf8);
        self
    }

    pub(crate) fn bin_head(&mut self, len: usize) -> &mut Self {
        let _ = write::write_bin_len(self.out, len as u32);
        self
    }

    pub(crate) fn raw_or_nil(&mut self, value: Option<&[u8]>) -> &mut Self {
        self.out.extend_from_slice(value.unwrap_or(NIL));
        self
    }

    pub(crate) fn end(&mut self, why: Option<&End<'_>>) -> &mut Self {
        let Some(End { code, message, detail }) = why else { return self.raw_or_nil(None) };
        let _ = write::write_array_len(self.out, 3);
        self.uint(u64::from(code.to_wire())).str(message).raw_or_nil(Some(empty_as_nil(detail)))
    }
}

#[cold]
pub(crate) fn bad(what: &str, expected: &str) -> BadFrame {
    BadFrame(format!("{what} is not {expected}"))
}
