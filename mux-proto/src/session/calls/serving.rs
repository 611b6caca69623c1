//! The transactions that this end owes an answer. Each counts from its REQUEST until its answer has left the outbox,
//! whether or not the handler still runs and the caller still waits.

use crate::wire::settings::Settings;
use crate::wire::xid::{Xid, XidMap};
use crate::{Millis, NEVER};
use alloc::vec::Vec;
use core::mem;
use hashbrown::hash_map::Entry;

/// Why a handler was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    Cancelled,
    TimedOut,
}

#[derive(Debug)]
struct Row<H> {
    /// [`NEVER`] where it has none.
    deadline: Millis,
    stopped: Option<Stopped>,
    /// It waits for a thread and has not begun. A handler may be stopped in either case.
    parked: bool,
    /// What stops the handler: the default one, until another is attached.
    handle: H,
}

/// `H` stops a handler; by default it stops nothing.
#[derive(Debug)]
pub(crate) struct Serving<H> {
    rows: XidMap<Row<H>>,
    /// What each large request counts towards `max_buffered`. Small ones have no entry.
    charges: XidMap<u64>,
    /// Sum of the charges.
    buffered: u64,
    /// Answers that wait in the outbox.
    leaving: u32,
    highest: Xid,
}

/// A REQUEST that breaks the rules of the table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    Duplicate,
    TooMany,
}

impl<H: Default> Serving<H> {
    pub(crate) fn new() -> Serving<H> {
        Serving { rows: XidMap::default(), charges: XidMap::default(), buffered: 0, leaving: 0, highest: 0 }
    }

    /// Adds a row for a request, within the limits of our settings.
    #[inline]
    pub(crate) fn accept(
        &mut self,
        xid: Xid,
        deadline: Option<Millis>,
        charge: u64,
        ours: &Settings,
    ) -> Result<(), Misuse> {
        if self.rows.len() as u64 + u64::from(self.leaving) >= ours.max_in_flight {
            return Err(Misuse::TooMany);
        }
        let Entry::Vacant(place) = self.rows.entry(xid) else { return Err(Misuse::Duplicate) };
        let deadline = deadline.unwrap_or(NEVER);
        place.insert(Row { deadline, stopped: None, parked: false, handle: H::default() });
        if charge > 0 {
            self.charges.insert(xid, charge);
            self.buffered += charge;
        }
        self.highest = self.highest.max(xid);
        Ok(())
    }

    /// The handler waits for a thread: it has not run before [`start`](Serving::start) is called.
    pub(crate) fn park(&mut self, xid: Xid) {
        if let Some(row) = self.rows.get_mut(&xid) {
            row.parked = true;
        }
    }

    /// A parked handler begins; `false` when it is not wanted any more.
    pub(crate) fn start(&mut self, xid: Xid) -> bool {
        match self.rows.get_mut(&xid) {
            Some(row) if row.stopped.is_none() => {
                row.parked = false;
                true
            }
            _ => false,
        }
    }

    /// Keeps what stops the handler, or returns it if the handler must stop at once. A handler that has answered already is
    /// a stream, and goes on.
    pub(crate) fn attach(&mut self, xid: Xid, merge: impl FnOnce(H) -> H) -> Option<H> {
        match self.rows.get_mut(&xid) {
            Some(row) if row.stopped.is_none() => {
                row.handle = merge(mem::take(&mut row.handle));
                None
            }
            Some(_) => Some(merge(H::default())),
            None => None,
        }
    }

    /// The caller cancelled. An unknown xid was answered already.
    pub(crate) fn cancel(&mut self, xid: Xid) -> Option<H> {
        self.stop(xid, Stopped::Cancelled)
    }

    fn stop(&mut self, xid: Xid, why: Stopped) -> Option<H> {
        let row = self.rows.get_mut(&xid).filter(|row| row.stopped.is_none())?;
        row.stopped = Some(why);
        Some(mem::take(&mut row.handle))
    }

    pub(crate) fn stopped(&self, xid: Xid) -> Option<Stopped> {
        self.rows.get(&xid)?.stopped
    }

    /// The handler has not begun.
    pub(crate) fn is_parked(&self, xid: Xid) -> bool {
        self.rows.get(&xid).is_some_and(|row| row.parked)
    }

    pub(crate) fn is_live(&self, xid: Xid) -> bool {
        self.rows.contains_key(&xid)
    }

    /// Stops the handlers whose deadline has passed. Returns what stops them, and the next deadline.
    pub(crate) fn expire(&mut self, now: Millis) -> (Vec<H>, Option<Millis>) {
        let live = self.rows.iter().filter(|(_, row)| row.stopped.is_none());
        let timed = live.map(|(&xid, row)| (xid, row.deadline)).filter(|&(_, deadline)| deadline < NEVER);
        let (due, later): (Vec<_>, Vec<_>) = timed.partition(|&(_, deadline)| deadline <= now);
        let handles = due.into_iter().filter_map(|(xid, _)| self.stop(xid, Stopped::TimedOut)).collect();
        (handles, later.into_iter().map(|(_, deadline)| deadline).min())
    }

    /// Removes the row, as its answer goes to the outbox. `false` if there is no such row.
    pub(crate) fn finish(&mut self, xid: Xid) -> bool {
        if self.rows.remove(&xid).is_none() {
            return false;
        }
        if self.buffered > 0 {
            self.buffered -= self.charges.remove(&xid).unwrap_or(0);
        }
        self.leaving += 1;
        true
    }

    /// Requests that were accepted and whose handlers have not begun.
    pub(crate) fn parked(&self) -> Vec<Xid> {
        self.rows.iter().filter(|(_, row)| row.parked).map(|(&xid, _)| xid).collect()
    }

    pub(crate) fn left_outbox(&mut self, terminals: u32) {
        self.leaving = self.leaving.saturating_sub(terminals);
    }

    /// Removes all rows. Returns what stops their handlers.
    pub(crate) fn close(&mut self) -> Vec<H> {
        self.leaving = 0;
        self.buffered = 0;
        self.charges.clear();
        self.rows.drain().map(|(_, row)| row.handle).collect()
    }

    pub(crate) fn trim(&mut self) {
        self.rows.shrink_to_fit();
        self.charges.shrink_to_fit();
    }

    /// What the requests that are whole and not answered count towards `max_buffered`.
    pub(crate) fn buffered(&self) -> u64 {
        self.buffered
    }

    pub(crate) fn highest(&self) -> Xid {
        self.highest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn rows(&self) -> usize {
        self.rows.len() + self.leaving as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_small() {
        /// As large as what stops a handler.
        type Handle = [Option<Box<()>>; 2];
        assert!(size_of::<(Xid, Row<Handle>)>() <= 40);
    }
}
