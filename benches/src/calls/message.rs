//! What the peers echo: a small message, or as many plain bytes where there is no codec.

use std::future;
use std::hint;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Made for one call and recognised in its answer, so that a peer that mixes up or damages answers fails.
pub trait Load: Send + Sync + 'static {
    fn numbered(id: u64) -> Self;
    fn is_numbered(&self, id: u64) -> bool;
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
pub struct Message {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(uint32, repeated, tag = "3")]
    tags: Vec<u32>,
}

/// Marks of an id, beside its number: what the handler does before it answers.
pub const BURNS: u64 = 1 << 62;
pub const WAITS: u64 = 1 << 63;

/// How long a handler burns time of its processor.
const BURNT: Duration = Duration::from_micros(50);

impl Message {
    /// What every peer's handler does before it answers.
    pub async fn handled(&self) {
        if self.id & WAITS != 0 {
            future::pending::<()>().await;
        }
        if self.id & BURNS != 0 {
            burn();
        }
    }

    /// One with a long name, so that it is not small.
    pub fn long(id: u64, length: usize) -> Self {
        Self { name: "n".repeat(length), ..Self::numbered(id) }
    }
}

fn burn() {
    let begun = Instant::now();
    while begun.elapsed() < BURNT {
        hint::spin_loop();
    }
}

const NAME: &str = "a name of 16 ch.";
/// One for each width that MessagePack has for a `u32`.
const TAGS: [u32; 4] = [1, 200, 3_000, 4_000_000_000];

impl Load for Message {
    fn numbered(id: u64) -> Self {
        Self { id, name: NAME.to_owned(), tags: TAGS.to_vec() }
    }

    fn is_numbered(&self, id: u64) -> bool {
        self.id == id && self.name == NAME && self.tags == TAGS
    }
}

/// As long as a [`Message`] in MessagePack without field names.
pub type Plain = [u8; 39];

impl Load for Plain {
    fn numbered(id: u64) -> Self {
        let mut plain = [b'.'; 39];
        plain[..8].copy_from_slice(&id.to_le_bytes());
        plain
    }

    fn is_numbered(&self, id: u64) -> bool {
        *self == Self::numbered(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_bytes_are_as_many_as_an_encoded_message() {
        let encoded = rmp_serde::to_vec(&Message::numbered(u64::MAX)).unwrap();
        assert_eq!(encoded.len(), size_of::<Plain>());
    }

    #[test]
    fn a_load_knows_its_number() {
        assert!(Message::numbered(7).is_numbered(7) && !Message::numbered(7).is_numbered(8));
        assert!(Plain::numbered(7).is_numbered(7) && !Plain::numbered(7).is_numbered(8));
    }
}
