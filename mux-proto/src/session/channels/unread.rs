//! Items of more than half a window that nobody has taken yet. Each channel holds back the others of its own; this
//! bounds those of all channels of a connection, in each direction.

use crate::wire::xid::Xid;
use alloc::collections::VecDeque;

/// Such an item, on its channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Oversize {
    /// What its channel had spent when it ended.
    pub(crate) end: u64,
    pub(crate) cost: u64,
}

/// What all of them cost that came here.
#[derive(Debug, Default)]
pub(crate) struct Unread(u64);

impl Unread {
    /// Whether another one may come, whatever it costs if there is no other.
    pub(crate) fn has_room(&self, cost: u64, limit: u64) -> bool {
        self.0 == 0 || self.0.checked_add(cost).is_some_and(|sum| sum <= limit)
    }

    pub(crate) fn add(&mut self, cost: u64) {
        self.0 = self.0.saturating_add(cost);
    }

    pub(crate) fn release(&mut self, cost: u64) {
        self.0 = self.0.saturating_sub(cost);
    }
}

/// What all of them cost that went to the peer, and the channels whose next one waits for room.
#[derive(Debug, Default)]
pub(crate) struct UnreadThere {
    sum: Unread,
    /// In the order they came, so that a large one does not wait for ever.
    waiting: VecDeque<Xid>,
}

impl UnreadThere {
    /// Whether an item may begin on this channel. Otherwise the channel waits for its turn.
    pub(crate) fn may_begin(&mut self, id: Xid, cost: u64, limit: u64) -> bool {
        let first = self.waiting.front().is_none_or(|&front| front == id);
        if first && self.sum.has_room(cost, limit) {
            return true;
        }
        if !self.waiting.contains(&id) {
            self.waiting.push_back(id);
        }
        false
    }

    /// It begins. Returns the channel whose turn is next.
    pub(crate) fn begin(&mut self, id: Xid, cost: u64) -> Option<Xid> {
        self.sum.add(cost);
        self.leave(id)
    }

    /// One was taken. Returns the channel whose turn it is.
    pub(crate) fn taken(&mut self, cost: u64) -> Option<Xid> {
        self.sum.release(cost);
        self.waiting.front().copied()
    }

    /// The channel waits no longer. Returns the one whose turn it is, where that is another than before.
    pub(crate) fn leave(&mut self, id: Xid) -> Option<Xid> {
        let at = self.waiting.iter().position(|&waiting| waiting == id)?;
        self.waiting.remove(at);
        (at == 0).then(|| self.waiting.front().copied()).flatten()
    }

    pub(crate) fn clear(&mut self) {
        *self = UnreadThere::default();
    }

    pub(crate) fn trim(&mut self) {
        self.waiting.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_any_size_may_be_unread_and_more_within_the_limit() {
        let mut unread = Unread::default();
        assert!(unread.has_room(u64::MAX, 0));
        unread.add(60);
        assert!(unread.has_room(40, 100));
        assert!(!unread.has_room(41, 100));
        assert!(!unread.has_room(u64::MAX, u64::MAX));
        unread.release(60);
        assert!(unread.has_room(1000, 100));
    }

    #[test]
    fn channels_begin_in_the_order_they_waited() {
        let mut unread = UnreadThere::default();
        assert!(unread.may_begin(1, 90, 100));
        assert_eq!(unread.begin(1, 90), None);
        assert!(!unread.may_begin(3, 80, 100));
        assert!(!unread.may_begin(5, 5, 100), "a later one does not overtake, though it fits");
        assert_eq!(unread.taken(90), Some(3));
        assert!(unread.may_begin(3, 80, 100));
        assert_eq!(unread.begin(3, 80), Some(5));
        assert!(unread.may_begin(5, 5, 100));
        assert_eq!(unread.begin(5, 5), None);
    }

    #[test]
    fn a_channel_that_ends_while_it_waits_lets_the_next_one_begin() {
        let mut unread = UnreadThere::default();
        unread.begin(1, 90);
        assert!(!unread.may_begin(3, 80, 100));
        assert!(!unread.may_begin(5, 10, 100));
        assert_eq!(unread.leave(5), None);
        assert!(!unread.may_begin(5, 10, 100));
        assert_eq!(unread.leave(3), Some(5));
        assert!(unread.may_begin(5, 10, 100));
    }
}
