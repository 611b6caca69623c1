//! Who writes what is queued: one duty, with all of its transitions.

use crate::util::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Who sees to it that what is queued is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FlushDuty {
    /// Nobody: nothing is queued. Whoever queues something hands the duty to the driver and wakes it.
    Free,
    /// The driver, which was woken or is at work. It decides at the end of its turn.
    Driver,
    /// The driver, in its next turn.
    NextTurn,
    /// The driver, once the stream takes more.
    Blocked,
}

/// The duty of a connection. It changes under the connection's lock only. The driver also reads it without the lock, where
/// a turn begins: only the driver itself enters and leaves the two states that it looks for.
pub(super) struct DutyCell(AtomicU8);

impl DutyCell {
    /// The driver's first turn writes the hello.
    pub(super) fn new() -> DutyCell {
        DutyCell(AtomicU8::new(FlushDuty::NextTurn as u8))
    }

    #[inline]
    fn duty(&self) -> FlushDuty {
        match self.0.load(Relaxed) {
            0 => FlushDuty::Free,
            1 => FlushDuty::Driver,
            2 => FlushDuty::NextTurn,
            _ => FlushDuty::Blocked,
        }
    }

    #[inline]
    fn set(&self, duty: FlushDuty) {
        self.0.store(duty as u8, Relaxed);
    }

    /// Something may have been queued. Returns whether the driver has to be woken for it.
    #[inline]
    pub(super) fn claim(&self, has_output: impl FnOnce() -> bool) -> bool {
        let claims = self.duty() == FlushDuty::Free && has_output();
        if claims {
            self.set(FlushDuty::Driver);
        }
        claims
    }

    /// The driver's next turn writes, whatever is queued then.
    #[inline]
    pub(super) fn next_turn(&self) {
        self.set(FlushDuty::NextTurn);
    }

    /// Whether the driver's turn, which begins, has to write.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.0.load(Relaxed) >= FlushDuty::NextTurn as u8
    }

    /// The driver takes what is queued, to write it.
    #[inline]
    pub(super) fn take(&self) {
        self.set(FlushDuty::Driver);
    }

    /// The driver's turn ends. Returns the duty from then on.
    #[inline]
    pub(super) fn end_turn(&self, blocked: bool, has_output: bool) -> FlushDuty {
        let duty = if blocked {
            FlushDuty::Blocked
        } else if has_output || self.duty() == FlushDuty::NextTurn {
            FlushDuty::NextTurn
        } else {
            FlushDuty::Free
        };
        self.set(duty);
        duty
    }
}

#[cfg(test)]
#[cfg(not(mux_loom))]
mod tests {
    use super::*;

    fn at(duty: FlushDuty) -> DutyCell {
        DutyCell(AtomicU8::new(duty as u8))
    }

    const ALL: [FlushDuty; 4] = [FlushDuty::Free, FlushDuty::Driver, FlushDuty::NextTurn, FlushDuty::Blocked];

    #[test]
    fn the_first_turn_writes() {
        assert!(DutyCell::new().is_due());
    }

    #[test]
    fn who_queues_something_wakes_the_driver_only_where_nobody_has_the_duty() {
        for duty in ALL {
            let flush = at(duty);
            assert_eq!(flush.claim(|| true), duty == FlushDuty::Free, "{duty:?}");
            assert!(!flush.claim(|| true), "{duty:?}: the second of two wakes nobody");
        }
        let flush = at(FlushDuty::Free);
        assert!(!flush.claim(|| false));
        assert_eq!(flush.duty(), FlushDuty::Free, "nothing was queued");
    }

    #[test]
    fn a_turn_writes_where_it_was_arranged_or_the_stream_was_blocked() {
        assert_eq!(ALL.map(|duty| at(duty).is_due()), [false, false, true, true]);
        let woken = at(FlushDuty::Free);
        woken.claim(|| true);
        assert!(!woken.is_due(), "a turn that was woken reads first");
    }

    #[test]
    fn a_turn_ends_with_the_duty_that_is_left() {
        use FlushDuty::{Blocked, Driver, Free, NextTurn};
        let cases = [
            (Driver, false, false, Free),
            (Driver, false, true, NextTurn),
            (Driver, true, false, Blocked),
            (Driver, true, true, Blocked),
            (Free, false, false, Free),
            (Free, false, true, NextTurn),
            (NextTurn, false, false, NextTurn),
            (NextTurn, true, false, Blocked),
            (Blocked, false, false, Free),
            (Blocked, true, true, Blocked),
        ];
        for (before, blocked, has_output, after) in cases {
            let flush = at(before);
            assert_eq!(flush.end_turn(blocked, has_output), after, "{before:?} {blocked} {has_output}");
            assert_eq!(flush.duty(), after);
        }
    }

    #[test]
    fn what_a_turn_has_taken_need_not_be_written_by_the_next() {
        let flush = at(FlushDuty::NextTurn);
        flush.take();
        assert_eq!(flush.end_turn(false, false), FlushDuty::Free);
        flush.next_turn();
        assert!(flush.is_due());
        assert_eq!(flush.end_turn(false, false), FlushDuty::NextTurn, "a pass has asked for the next turn");
    }
}
