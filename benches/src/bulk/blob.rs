//! Blobs that are recognised when they come back, and cost nothing to make.

use std::sync::OnceLock;

use bytes::Bytes;

use super::LARGEST;

const WORD: usize = size_of::<u64>();

/// How many blobs of one length there are before the first comes again.
const KINDS: u64 = 512;

/// How far apart the words lie that are looked at, beside the first and the last.
const STEP: usize = 64 << 10;

/// A cut from a long row of words of which no two are the same: what is timed is how a blob travels, not how it is made.
pub fn numbered(length: usize, number: u64) -> Bytes {
    static ROW: OnceLock<Bytes> = OnceLock::new();
    let start = kind(number) as usize * WORD;
    ROW.get_or_init(row).slice(start..start + length)
}

fn row() -> Bytes {
    let words = KINDS + (LARGEST / WORD) as u64;
    let mut row = Vec::with_capacity(words as usize * WORD);
    (0..words).for_each(|nth| row.extend_from_slice(&word(nth).to_le_bytes()));
    row.into()
}

/// Whether it has that length, and at its ends and here and there between the words of that number.
pub fn is_numbered(blob: &[u8], length: usize, number: u64) -> bool {
    let is_there = |at: usize| blob[at..at + WORD] == word(kind(number) + (at / WORD) as u64).to_le_bytes();
    blob.len() == length && (0..length).step_by(STEP).chain(length.checked_sub(WORD)).all(is_there)
}

/// Numbers that follow each other, and those of different tasks, are of different kinds.
fn kind(number: u64) -> u64 {
    (number ^ number >> 32 << 6) % KINDS
}

fn word(nth: u64) -> u64 {
    // An odd factor keeps the words distinct, and a large one spreads them over all 64 bits.
    (nth + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: usize = 1 << 20;

    #[test]
    fn a_blob_knows_its_number() {
        let blob = numbered(LENGTH, 7);
        assert!(is_numbered(&blob, LENGTH, 7));
        assert!(!is_numbered(&blob, LENGTH, 8));
        assert!(!is_numbered(&blob, LENGTH, 1 << 32 | 7));
        assert!(!is_numbered(&blob[..LENGTH - WORD], LENGTH, 7));
    }

    #[test]
    fn a_changed_end_or_a_swapped_piece_is_seen() {
        let damaged = |damage: fn(&mut [u8])| {
            let mut blob = numbered(LENGTH, 7).to_vec();
            damage(&mut blob);
            !is_numbered(&blob, LENGTH, 7)
        };
        assert!(damaged(|blob| blob[0] ^= 1));
        assert!(damaged(|blob| blob[LENGTH - 1] ^= 1));
        assert!(damaged(|blob| blob.rotate_left(STEP)));
    }
}
