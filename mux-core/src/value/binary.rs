//! Which values read binary element by element, as a `Vec<u32>` does. The bytes do not tell: for `Bytes` they are one value,
//! copied or shared at once. So it is learnt from what was decoded.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU8, Ordering};

/// Binary shorter than this teaches nothing. Read element by element it may be: so short, a body of 16,384 values has at most a
/// MiB of it.
const FEW: usize = 64;

/// Binary from this length on that is read as one teaches that.
const MUCH: usize = 1 << 10;

/// What is known of a target. The greatest that was ever seen counts.
const UNKNOWN: u8 = 0;
const AS_ONE: u8 = 1;
const BY_ELEMENT: u8 = 2;

/// Two targets with one place in it are taken for each other: that costs hand-overs, or one slow reading.
const PLACES: usize = 1024;
static KNOWN: [AtomicU8; PLACES] = [const { AtomicU8::new(UNKNOWN) }; PLACES];

thread_local! {
    /// The greatest since the innermost [`Learning`] on this thread began.
    static SEEN: Cell<u8> = const { Cell::new(UNKNOWN) };
}

/// What is decoded, as far as it has a type: the arguments of a method, its answers, or items.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target(usize);

impl Target {
    pub(crate) fn arguments(path: &str) -> Target {
        Target::new(("arguments", path))
    }

    pub(crate) fn answers(path: &str) -> Target {
        Target::new(("answers", path))
    }

    pub(crate) fn items<T>() -> Target {
        Target::new(("items", std::any::type_name::<T>()))
    }

    fn new(of: impl Hash) -> Target {
        let mut hasher = DefaultHasher::new();
        of.hash(&mut hasher);
        Target(hasher.finish() as usize % PLACES)
    }

    /// It reads binary element by element, or nobody knows yet.
    pub(crate) fn may_read_by_element(self) -> bool {
        self.known().load(Ordering::Relaxed) != AS_ONE
    }

    /// Learns from what this thread decodes until the drop.
    pub(crate) fn learn(self) -> Learning {
        Learning { target: self, outer: SEEN.replace(UNKNOWN) }
    }

    fn known(self) -> &'static AtomicU8 {
        &KNOWN[self.0]
    }
}

/// See [`Target::learn`].
#[must_use]
pub(crate) struct Learning {
    target: Target,
    outer: u8,
}

impl Drop for Learning {
    fn drop(&mut self) {
        self.target.known().fetch_max(SEEN.replace(self.outer), Ordering::Relaxed);
    }
}

/// Binary of so many bytes is read as one.
#[inline]
pub(crate) fn read_as_one(len: usize) {
    if len >= MUCH {
        see(AS_ONE);
    }
}

/// Binary of so many bytes is read element by element.
#[inline]
pub(crate) fn read_by_element(len: usize) {
    if len > FEW {
        see(BY_ELEMENT);
    }
}

#[cold]
fn see(what: u8) {
    SEEN.set(SEEN.get().max(what));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_once_read_by_element_is_known_for_good() {
        let target = Target::arguments("binary.known");
        assert!(target.may_read_by_element());
        let learnt = |read: fn()| {
            let learning = target.learn();
            read();
            drop(learning);
            target.may_read_by_element()
        };
        assert!(learnt(|| read_as_one(MUCH - 1)));
        assert!(!learnt(|| read_as_one(MUCH)));
        assert!(!learnt(|| read_by_element(FEW)));
        assert!(learnt(|| read_by_element(FEW + 1)));
        assert!(learnt(|| read_as_one(MUCH)));
    }

    #[test]
    fn what_is_decoded_within_another_teaches_that_alone() {
        let [outer, inner] = ["binary.outer", "binary.inner"].map(Target::answers);
        let learning = outer.learn();
        read_as_one(MUCH);
        let within = inner.learn();
        read_by_element(MUCH);
        drop((within, learning));
        assert!(!outer.may_read_by_element() && inner.may_read_by_element());
    }
}
