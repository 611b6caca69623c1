//! Transaction ids: counted up, never reused, odd on the connecting side and even on the accepting one.

use core::hash::{BuildHasherDefault, Hasher};

/// A transaction id, unique in one connection.
pub type Xid = u64;

/// Which end of a connection this is. It decides the parity of the xids it gives out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Opened the connection: odd xids.
    Connecting,
    /// Was connected to: even xids.
    Accepting,
}

impl Side {
    pub(crate) fn first_xid(self) -> Xid {
        match self {
            Side::Connecting => 1,
            Side::Accepting => 2,
        }
    }

    pub(crate) fn owns(self, xid: Xid) -> bool {
        xid != 0 && xid % 2 == self.first_xid() % 2
    }

    pub(crate) fn other(self) -> Side {
        match self {
            Side::Connecting => Side::Accepting,
            Side::Accepting => Side::Connecting,
        }
    }
}

/// Gives out ids: of transactions, of channels, and of large notifies.
#[derive(Debug)]
pub(crate) struct Counter {
    next: Xid,
}

impl Counter {
    pub(crate) fn new(side: Side) -> Counter {
        Counter { next: side.first_xid() }
    }

    pub(crate) fn take(&mut self) -> Xid {
        let xid = self.next;
        self.next += 2;
        xid
    }

    /// The last one given out; at the start, one that never is.
    pub(crate) fn last(&self) -> Xid {
        self.next.saturating_sub(2)
    }
}

/// Hashes an xid by one multiplication: tables keyed by xids hold at most `max_in_flight` rows, so
/// crafted collisions cost a peer's own calls a bounded scan and nobody else anything.
#[derive(Debug, Default)]
pub(crate) struct XidHasher(u64);

impl Hasher for XidHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    #[inline]
    // 2^64 divided by the golden ratio (Knuth, TAOCP 6.4); the rotation brings the mixed high bits
    // down to where the table takes its index from.
    fn write_u64(&mut self, xid: u64) {
        self.0 = (self.0 ^ xid).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
    }
}

pub(crate) type XidMap<V> = hashbrown::HashMap<Xid, V, BuildHasherDefault<XidHasher>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_own_disjoint_xids_and_neither_owns_zero() {
        for xid in 0..100 {
            let owners = [Side::Connecting, Side::Accepting].into_iter().filter(|s| s.owns(xid)).count();
            assert_eq!(owners, usize::from(xid != 0), "xid {xid}");
        }
        assert!(Side::Connecting.owns(1));
        assert!(Side::Accepting.owns(2));
    }
}
