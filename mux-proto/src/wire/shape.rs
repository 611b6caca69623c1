//! Looks at a user's values without reading them: how deep they nest, how many they are.

use crate::wire::cursor::Input;
use crate::wire::settings::SMALL;

/// The length of the first value in a body, where all of it is there.
pub fn first_value(body: &[u8]) -> Option<usize> {
    let mut input = Input { rest: body };
    input.skip("value").ok()?;
    Some(body.len() - input.rest.len())
}

/// Nesting that decoding follows. rmp-serde's own default of 1024 overflows tokio's 2 MiB stacks in
/// debug builds.
pub const MAX_DEPTH: usize = 128;

/// Whether a body nests no deeper than [`MAX_DEPTH`]. What is malformed is for its decoder to refuse.
///
/// The decoder has a limit of its own, which does not count the variants of an enum.
#[inline]
pub fn nests_acceptably(body: &[u8]) -> bool {
    // A level takes a byte at least.
    body.len() <= MAX_DEPTH || follows_acceptably(body)
}

fn follows_acceptably(body: &[u8]) -> bool {
    let mut input = Input { rest: body };
    // Values still to come in each container that is open.
    let mut open = [0_u64; MAX_DEPTH];
    let mut depth = 0;
    while let Some(&marker) = input.rest.first() {
        let values = match SCALARS[usize::from(marker)] {
            0 if marker & 0xf0 == 0x90 => {
                input.rest = &input.rest[1..];
                u64::from(marker & 0x0f)
            }
            0 => match input.skip_one("body") {
                Ok(values) => values,
                Err(_) => return true,
            },
            len => match input.rest.get(usize::from(len)..) {
                Some(rest) => {
                    input.rest = rest;
                    0
                }
                None => return true,
            },
        };
        if values > 0 {
            let Some(container) = open.get_mut(depth) else { return false };
            *container = values;
            depth += 1;
            continue;
        }
        // A value counts off its container, and a container that is full off the one around it.
        while depth > 0 {
            open[depth - 1] -= 1;
            if open[depth - 1] > 0 {
                break;
            }
            depth -= 1;
        }
    }
    true
}

/// Whether decoding a body takes longer than that of a body of one frame ever can: whether it has more than 16,384 values.
/// Binary counts as one value, unless `by_element` says that it is read element by element. That is asked only if it matters.
#[inline]
pub fn takes_long(body: &[u8], by_element: impl FnOnce() -> bool) -> bool {
    // A value takes a byte at least.
    body.len() > MANY
        && match count_values(body) {
            Count::Few => false,
            Count::FewButBinary => by_element(),
            Count::Many => true,
        }
}

/// As many values as fit into a body of one frame. A value takes some 50 ns to decode, so these take about a millisecond.
const MANY: usize = SMALL;

/// Bytes of text that take as long as a value: they are copied, and looked through for what is not UTF-8.
const TEXT: usize = 64;

/// Bytes of binary that take as long as a value, where they are read one by one.
const BINARY: usize = 16;

enum Count {
    Few,
    /// Many, if the elements of binary are counted.
    FewButBinary,
    Many,
}

#[cold]
fn count_values(body: &[u8]) -> Count {
    let mut input = Input { rest: body };
    let (mut values, mut binary) = (0, 0);
    while let Some(&marker) = input.rest.first() {
        let before = input.rest.len();
        if input.skip_one("body").is_err() {
            // Its decoder gets no further than this.
            break;
        }
        let len = before - input.rest.len();
        values += 1;
        match marker {
            0xd9..=0xdb => values += len / TEXT,
            0xc4..=0xc6 => binary += len,
            _ => {}
        }
        if values > MANY {
            return Count::Many;
        }
    }
    if values + binary / BINARY > MANY { Count::FewButBinary } else { Count::Few }
}

/// By its marker, the bytes that a value of known length takes; zero for all others.
const SCALARS: [u8; 256] = {
    let mut lens = [0; 256];
    let mut marker = 0;
    while marker < 256 {
        lens[marker] = match marker {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => 1,
            0xa0..=0xbf => 1 + (marker as u8 & 0x1f),
            0xcc | 0xd0 => 2,
            0xcd | 0xd1 => 3,
            0xca | 0xce | 0xd2 => 5,
            0xcb | 0xcf | 0xd3 => 9,
            _ => 0,
        };
        marker += 1;
    }
    lens
};
