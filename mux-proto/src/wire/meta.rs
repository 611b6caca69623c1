//! The meta map of a message: the time left, the channels it carries, and the user's own keys.

use crate::thin_list::ThinList;
use crate::wire::cursor::Input;
use crate::wire::frame::BadFrame;
use crate::wire::handles::{self, IncomingHandle};
use alloc::boxed::Box;
use alloc::vec::Vec;
use rmp::encode as write;

/// Keys the protocol uses itself; a user's key of that name is refused.
pub const RESERVED: [&str; 5] = ["timeout_ms", "channels", ARGS, "traceparent", "tracestate"];

/// Keys that are set anew on each connection.
const OF_ONE_CONNECTION: [&str; 2] = ["timeout_ms", "channels"];

/// The names of the arguments, where the other end may know others.
pub const ARGS: &str = "args";

/// A user's meta, encoded as it is built. Most calls have none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetaPairs(Option<Box<Pairs>>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Pairs {
    count: u32,
    encoded: Vec<u8>,
}

impl MetaPairs {
    // Writing to a `Vec` cannot fail.
    pub fn push(&mut self, key: &str, value: &str) {
        let pairs = self.0.get_or_insert_default();
        pairs.count += 1;
        let _ = write::write_str(&mut pairs.encoded, key);
        let _ = write::write_str(&mut pairs.encoded, value);
    }

    /// The names of the call's arguments.
    pub fn push_arg_names<'n>(&mut self, names: impl ExactSizeIterator<Item = &'n str>) {
        let pairs = self.0.get_or_insert_default();
        pairs.count += 1;
        let _ = write::write_str(&mut pairs.encoded, ARGS);
        let _ = write::write_array_len(&mut pairs.encoded, names.len() as u32);
        for name in names {
            let _ = write::write_str(&mut pairs.encoded, name);
        }
    }

    /// The pairs of a message to be forwarded: all but those that are set anew on each connection.
    pub fn passed_on(meta: &[u8]) -> MetaPairs {
        let mut passed_on = MetaPairs::default();
        let mut input = Input { rest: meta };
        for _ in 0..input.map_len("meta").unwrap_or(0) {
            let pair = input.rest;
            let Ok(key) = input.str("meta key") else { break };
            if input.skip("meta value").is_err() {
                break;
            }
            if !OF_ONE_CONNECTION.contains(&key) {
                let pairs = passed_on.0.get_or_insert_default();
                pairs.count += 1;
                pairs.encoded.extend_from_slice(&pair[..pair.len() - input.rest.len()]);
            }
        }
        passed_on
    }

    /// In bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |pairs| pairs.encoded.len())
    }

    /// The whole map, or `None` if it would be empty.
    #[inline]
    pub fn encode(&self, timeout_ms: Option<u64>, carried: &[IncomingHandle]) -> Option<Vec<u8>> {
        let anything = self.0.is_some() || timeout_ms.is_some() || !carried.is_empty();
        anything.then(|| self.encode_map(timeout_ms, carried))
    }

    fn encode_map(&self, timeout_ms: Option<u64>, carried: &[IncomingHandle]) -> Vec<u8> {
        let (count, pairs) = self.0.as_ref().map_or((0, &[][..]), |pairs| (pairs.count, &pairs.encoded[..]));
        let count = count + u32::from(timeout_ms.is_some()) + u32::from(!carried.is_empty());
        let mut map = Vec::with_capacity(pairs.len() + 24);
        let _ = write::write_map_len(&mut map, count);
        if let Some(timeout_ms) = timeout_ms {
            let _ = write::write_str(&mut map, "timeout_ms");
            let _ = write::write_uint(&mut map, timeout_ms);
        }
        if !carried.is_empty() {
            let _ = write::write_str(&mut map, "channels");
            handles::encode(carried, &mut map);
        }
        map.extend_from_slice(pairs);
        map
    }
}

/// What the protocol itself reads of a meta map.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct MetaFacts {
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) carried: ThinList<IncomingHandle>,
}

impl MetaFacts {
    pub(crate) fn read(meta: &[u8]) -> Result<MetaFacts, BadFrame> {
        let mut facts = MetaFacts::default();
        let mut input = Input { rest: meta };
        for _ in 0..input.map_len("meta")? {
            match input.str("meta key")? {
                "timeout_ms" => facts.timeout_ms = Some(input.uint("timeout_ms")?),
                "channels" => facts.carried = handles::decode(&mut input)?,
                _ => input.skip("meta value")?,
            }
        }
        Ok(facts)
    }
}

/// The value of a user's key, where it is a string.
pub fn lookup<'a>(meta: &'a [u8], key: &str) -> Option<&'a str> {
    let mut input = Input { rest: meta };
    for _ in 0..input.map_len("meta").ok()? {
        if input.str("meta key").ok()? == key {
            return input.str("meta value").ok();
        }
        input.skip("meta value").ok()?;
    }
    None
}

/// The names of the call's arguments, where it tells them. `Some(None)` where they are no list of names.
pub fn arg_names(meta: &[u8]) -> Option<Option<Vec<&str>>> {
    let mut input = Input { rest: meta };
    for _ in 0..input.map_len("meta").ok()? {
        if input.str("meta key").ok()? == ARGS {
            return Some(read_names(&mut input).ok());
        }
        input.skip("meta value").ok()?;
    }
    None
}

fn read_names<'a>(input: &mut Input<'a>) -> Result<Vec<&'a str>, BadFrame> {
    let count = input.array_len(ARGS)?;
    // Grows with the names that there are: the count is the peer's word.
    (0..count).map(|_| input.str(ARGS)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_time_left_are_read_back() {
        let mut pairs = MetaPairs::default();
        pairs.push("tenant", "eu");
        let map = pairs.encode(Some(250), &[]).unwrap();
        assert_eq!(MetaFacts::read(&map).unwrap().timeout_ms, Some(250));
        assert_eq!(lookup(&map, "tenant"), Some("eu"));
        assert_eq!(lookup(&map, "absent"), None);
    }

    #[test]
    fn names_of_arguments_are_read_back_and_anything_else_is_known_for_none() {
        let mut pairs = MetaPairs::default();
        pairs.push("tenant", "eu");
        pairs.push_arg_names(["sku", "units"].into_iter());
        let map = pairs.encode(Some(250), &[]).unwrap();
        assert_eq!(arg_names(&map), Some(Some(vec!["sku", "units"])));
        assert_eq!(lookup(&map, ARGS), None);
        assert_eq!(MetaFacts::read(&map).unwrap().timeout_ms, Some(250));

        let mut pairs = MetaPairs::default();
        pairs.push(ARGS, "sku");
        assert_eq!(arg_names(&pairs.encode(None, &[]).unwrap()), Some(None));
        assert_eq!(arg_names(&[0x81, 0xa4, b'a', b'r', b'g', b's', 0xdd, 255, 255, 255, 255]), Some(None));
        assert_eq!(arg_names(&[0x80]), None);
    }

    #[test]
    fn what_is_passed_on_is_all_but_time_and_channels() {
        let mut pairs = MetaPairs::default();
        pairs.push("tenant", "eu");
        pairs.push_arg_names(["sku"].into_iter());
        pairs.push("traceparent", "00-1-2-01");
        let channel = IncomingHandle { id: 3, half: handles::Half::Sending };
        let map = pairs.encode(Some(250), &[channel]).unwrap();
        assert_eq!(MetaPairs::passed_on(&map), pairs);
        // What is cut short was refused before: what is whole of it is all there is.
        assert_eq!(MetaPairs::passed_on(&map[..map.len() - 1]).0.unwrap().count, 2);
        assert_eq!(MetaPairs::passed_on(&[0xc0]), MetaPairs::default());
    }

    #[test]
    fn nothing_to_say_is_nil() {
        assert_eq!(MetaPairs::default().encode(None, &[]), None);
    }
}
