//! What is streamed, and how its receiver knows that all of it came.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, prost::Message, Serialize, Deserialize)]
pub struct Tick {
    #[prost(uint64, tag = "1")]
    nth: u64,
    #[prost(uint64, tag = "2")]
    value: u64,
}

impl Tick {
    /// A small number, and one that needs all of its 64 bits: encodings write them in different lengths.
    pub fn nth(nth: u64) -> Self {
        Self { nth, value: (nth + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) }
    }
}

pub fn first(items: u64) -> impl Iterator<Item = Tick> {
    (0..items).map(Tick::nth)
}

/// A sum that another number of ticks, or another order, would not have.
#[derive(Default)]
pub struct Tally(u64);

impl Tally {
    pub fn add(&mut self, Tick { nth, value }: Tick) {
        self.0 = self.0.rotate_left(1).wrapping_add(nth ^ value);
    }

    pub fn sum(self) -> u64 {
        self.0
    }

    pub fn expected(items: u64) -> u64 {
        let mut tally = Self::default();
        first(items).for_each(|tick| tally.add(tick));
        tally.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(ticks: impl IntoIterator<Item = Tick>) -> u64 {
        let mut tally = Tally::default();
        ticks.into_iter().for_each(|tick| tally.add(tick));
        tally.sum()
    }

    #[test]
    fn a_tally_sees_what_is_missing_or_out_of_order() {
        assert_eq!(tally(first(1_000)), Tally::expected(1_000));
        assert_ne!(tally(first(999)), Tally::expected(1_000));
        assert_ne!(tally(first(1_000).skip(1)), Tally::expected(1_000));
        assert_ne!(tally((0..1_000).rev().map(Tick::nth)), Tally::expected(1_000));
    }
}
