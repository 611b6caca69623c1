//! A queue of lanes that take turns: what waits in one of them holds up each other one by a single item. Knows nothing of
//! what waits.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

/// What waits one behind the other. Each connection has one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lane(u64);

impl Lane {
    /// Of calls that stay in this process.
    pub(crate) const LOCAL: Lane = Lane(0);

    /// Of what connections have left behind that are closed. They share one, as a peer may reconnect as often as it likes.
    pub(crate) const CLOSED: Lane = Lane(1);

    pub(crate) fn new() -> Lane {
        static NEXT: AtomicU64 = AtomicU64::new(2);
        Lane(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The place of an item, also when another lane has taken it over since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    lane: Lane,
    number: u64,
}

/// In the order of their numbers.
type Waiting<T> = VecDeque<(u64, T)>;

#[derive(Debug)]
pub(crate) struct Turns<T> {
    /// Those in which something waits.
    lanes: HashMap<Lane, Waiting<T>>,
    /// The same: whose turn is next, and so on.
    order: VecDeque<Lane>,
    len: usize,
    next_number: u64,
    /// What the last lane that ended has waited in, for the next.
    spare: Waiting<T>,
}

impl<T> Default for Turns<T> {
    fn default() -> Turns<T> {
        Turns {
            lanes: HashMap::new(),
            order: VecDeque::new(),
            len: 0,
            next_number: 0,
            spare: VecDeque::new(),
        }
    }
}

impl<T> Turns<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn push(&mut self, lane: Lane, item: T) -> Ticket {
        let number = self.next_number;
        self.next_number += 1;
        self.len += 1;
        self.lane(lane).push_back((number, item));
        Ticket { lane, number }
    }

    /// The first of the lane whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let lane = self.order.pop_front()?;
        self.order.push_back(lane);
        self.remove_at(lane, 0)
    }

    pub(crate) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut T> {
        let (lane, at) = self.find(ticket)?;
        self.lanes.get_mut(&lane)?.get_mut(at).map(|(_, item)| item)
    }

    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let (lane, at) = self.find(ticket)?;
        self.remove_at(lane, at)
    }

    /// Takes out all those, lane by lane.
    pub(crate) fn extract(&mut self, which: impl Fn(&T) -> bool) -> Vec<T> {
        let lanes: Vec<Lane> = self.order.iter().copied().collect();
        let extracted = lanes.into_iter().flat_map(|lane| self.extract_from(lane, &which));
        extracted.map(|(_, item)| item).collect()
    }

    /// Moves those of a lane that has ended to [`Lane::CLOSED`].
    pub(crate) fn close(&mut self, lane: Lane, which: impl Fn(&T) -> bool) {
        let moved = self.extract_from(lane, &which);
        self.len += moved.len();
        for (number, item) in moved {
            let waiting = self.lane(Lane::CLOSED);
            let at = waiting.partition_point(|(other, _)| *other < number);
            waiting.insert(at, (number, item));
        }
    }

    /// Its turn comes behind those of all others, if it has none.
    fn lane(&mut self, lane: Lane) -> &mut Waiting<T> {
        let Turns { lanes, order, spare, .. } = self;
        lanes.entry(lane).or_insert_with(|| {
            order.push_back(lane);
            std::mem::take(spare)
        })
    }

    fn find(&self, ticket: Ticket) -> Option<(Lane, usize)> {
        [ticket.lane, Lane::CLOSED].into_iter().find_map(|lane| {
            let at = self.lanes.get(&lane)?.binary_search_by_key(&ticket.number, |(number, _)| *number);
            at.ok().map(|at| (lane, at))
        })
    }

    fn remove_at(&mut self, lane: Lane, at: usize) -> Option<T> {
        let (_, item) = self.lanes.get_mut(&lane)?.remove(at)?;
        self.len -= 1;
        self.end_if_empty(lane);
        Some(item)
    }

    fn extract_from(&mut self, lane: Lane, which: &impl Fn(&T) -> bool) -> Waiting<T> {
        let Some(waiting) = self.lanes.get_mut(&lane) else { return Waiting::new() };
        let (extracted, left): (Waiting<T>, _) = waiting.drain(..).partition(|(_, item)| which(item));
        *waiting = left;
        self.len -= extracted.len();
        self.end_if_empty(lane);
        extracted
    }

    fn end_if_empty(&mut self, lane: Lane) {
        if self.lanes.get(&lane).is_some_and(VecDeque::is_empty) {
            self.spare = self.lanes.remove(&lane).unwrap_or_default();
            self.order.retain(|other| *other != lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pop_all(turns: &mut Turns<u32>) -> Vec<u32> {
        std::iter::from_fn(|| turns.pop()).collect()
    }

    #[test]
    fn lanes_take_turns_and_each_keeps_its_order() {
        let (mut turns, [a, b, c]) = (Turns::default(), [Lane::new(), Lane::new(), Lane::new()]);
        for (lane, item) in [(a, 1), (a, 2), (a, 3), (b, 11), (b, 12), (c, 21)] {
            turns.push(lane, item);
        }
        assert_eq!(turns.len(), 6);
        assert_eq!(pop_all(&mut turns), [1, 11, 21, 2, 12, 3]);
        assert!(turns.is_empty() && turns.lanes.is_empty() && turns.order.is_empty());
    }

    #[test]
    fn a_lane_that_comes_back_at_once_waits_behind_the_others() {
        let (mut turns, [a, b, c]) = (Turns::default(), [Lane::new(), Lane::new(), Lane::new()]);
        for (lane, item) in [(a, 1), (b, 11), (c, 21)] {
            turns.push(lane, item);
        }
        assert_eq!(turns.pop(), Some(1));
        turns.push(a, 2);
        assert_eq!(pop_all(&mut turns), [11, 21, 2]);
    }

    #[test]
    fn what_leaves_takes_no_turn() {
        let (mut turns, [a, b]) = (Turns::default(), [Lane::new(), Lane::new()]);
        let tickets = [(a, 1), (a, 2), (b, 11), (b, 12)].map(|(lane, item)| turns.push(lane, item));
        assert_eq!([0, 1, 3].map(|at| turns.remove(tickets[at])), [Some(1), Some(2), Some(12)]);
        assert_eq!(turns.remove(tickets[0]), None);
        turns.push(a, 3);
        assert_eq!((turns.len(), pop_all(&mut turns)), (2, vec![11, 3]));
        assert!(turns.order.is_empty());
    }

    #[test]
    fn those_that_have_ended_share_a_turn_and_are_found_there() {
        let (mut turns, lanes) = (Turns::default(), [(); 4].map(|()| Lane::new()));
        let tickets = [4, 1, 2, 3].map(|item| turns.push(lanes[item as usize % 4], item));
        for lane in [lanes[1], lanes[3], lanes[2]] {
            turns.close(lane, |_| true);
        }
        assert_eq!(turns.get_mut(tickets[1]), Some(&mut 1));
        assert_eq!(turns.remove(tickets[2]), Some(2));
        turns.push(lanes[0], 8);
        assert_eq!((turns.len(), pop_all(&mut turns)), (4, vec![4, 1, 8, 3]));
    }

    #[test]
    fn some_are_taken_out_of_all_lanes_and_the_others_stay() {
        let (mut turns, [a, b]) = (Turns::default(), [Lane::new(), Lane::new()]);
        for (lane, item) in [(a, 1), (a, 2), (b, 11), (a, 3)] {
            turns.push(lane, item);
        }
        assert_eq!(turns.extract(|item| item % 2 == 1), [1, 3, 11]);
        assert_eq!((turns.len(), turns.order.len()), (1, 1));
        turns.close(a, |_| false);
        assert_eq!(pop_all(&mut turns), [2]);
    }
}
