//! When the driver has something to do besides reading and writing. Told what happened and when; knows no clock, no
//! session and no stream.

use crate::api::config::Timeouts;
use std::time::Duration;
use tokio::time::Instant;

/// How long a closed connection may still write what is queued, and wait for its peer to hang up.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// How often the writing half is probed when the reading half has ended: a peer that is gone
/// altogether shows there only.
pub(crate) const PROBE: Duration = Duration::from_secs(1);

/// A connection that nothing has come on for so long gives its buffers back.
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// The least time between two checks of whether calls are under way.
const CHECK: Duration = Duration::from_millis(100);

/// What the driver has to do at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Give buffers back.
    Trim,
    /// Ask a peer that has been silent for an answer.
    Ping,
    /// Write something to a peer that sends no more.
    Probe,
    /// Time out calls and handlers.
    Expire,
    /// End the channels that outlast a drain.
    EndChannels,
    /// Drain: the connection is idle.
    Drain,
    /// Close: the drain of an idle connection waits for what its peer does not end.
    IdleOver,
    /// Close: no hello has come.
    HandshakeTimeout,
    /// Close: nothing has come, not even the answer to a ping.
    Silent,
    /// Close: the peer has taken nothing of what is written.
    WriteStalled,
    /// Leave: a closed connection has had time enough.
    GraceOver,
}

/// What the session knows when something may be due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// The peer's hello has come.
    pub(crate) greeted: bool,
    /// How many calls there have been so far, where none is under way.
    pub(crate) idle_after: Option<u64>,
}

/// How far the connection is from its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Open,
    /// The peer sends no more. Last probed then.
    HalfClosed {
        probed: Instant,
    },
    Closing {
        until: Instant,
    },
}

#[derive(Debug)]
pub(crate) struct Timers {
    timeouts: Timeouts,
    begun: Instant,
    stage: Stage,
    last_read: Instant,
    /// Since the last read.
    pinged: bool,
    /// Since the last read.
    trimmed: bool,
    /// The stream has taken nothing since then.
    blocked: Option<Instant>,
    /// Channels are open while the connection drains: until then.
    channels: Option<Instant>,
    idleness: Idleness,
}

// What happened. Where something may be due earlier for it, it returns when.
impl Timers {
    pub(crate) fn new(timeouts: Timeouts, now: Instant) -> Timers {
        Timers {
            timeouts,
            begun: now,
            stage: Stage::Open,
            last_read: now,
            pinged: false,
            trimmed: false,
            blocked: None,
            channels: None,
            idleness: Idleness::new(now),
        }
    }

    /// Something has come.
    #[inline]
    pub(crate) fn read(&mut self, now: Instant) -> Option<Instant> {
        self.last_read = now;
        self.pinged = false;
        std::mem::take(&mut self.trimmed).then_some(now + IDLE)
    }

    /// All that was to be written is.
    #[inline]
    pub(crate) fn unblocked(&mut self) {
        self.blocked = None;
    }

    /// The stream takes no more, and has taken something before or nothing.
    pub(crate) fn blocked(&mut self, now: Instant, has_moved: bool) -> Option<Instant> {
        if self.blocked.is_some() && !has_moved {
            return None;
        }
        self.blocked = Some(now);
        Some(now + self.timeouts.write_stall)
    }

    /// The peer sends no more.
    pub(crate) fn half_closed(&mut self, now: Instant) -> Instant {
        self.stage = Stage::HalfClosed { probed: now };
        now + PROBE
    }

    /// The connection is closed. What is queued is still written.
    pub(crate) fn closing(&mut self, now: Instant) -> Instant {
        let until = now + CLOSE_GRACE;
        self.stage = Stage::Closing { until };
        until
    }

    /// Channels are open while the connection drains.
    pub(crate) fn channels_linger(&mut self, now: Instant) -> Option<Instant> {
        if self.channels.is_some() {
            return None;
        }
        self.channels = Some(now + self.timeouts.channel_grace);
        self.channels
    }

    /// Whether the connection drains because it was idle.
    pub(crate) fn drains_for_idleness(&self) -> bool {
        self.idleness.drains
    }
}

// What is to be done.
impl Timers {
    /// When something is due, unless anything happens before.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        let trim = (!self.trimmed).then_some(self.last_read + IDLE);
        let ping = self.last_read + self.timeouts.ping_after;
        let idleness = self.idleness.next_check(&self.timeouts);
        let by_stage = match self.stage {
            Stage::Open if self.pinged => (ping + self.timeouts.dead_after).min(idleness),
            Stage::Open => ping.min(idleness),
            Stage::HalfClosed { probed } => probed + PROBE,
            // No other time counts: one that has gone by would wake the driver at once, again and again.
            Stage::Closing { until } => return trim.map_or(until, |trim| trim.min(until)),
        };
        let handshake = self.begun + self.timeouts.handshake;
        let handshake = (now < handshake).then_some(handshake);
        let stall = self.blocked.map(|since| since + self.timeouts.write_stall);
        handshake.into_iter().chain(stall).chain(trim).chain(self.channels).fold(by_stage, Instant::min)
    }

    /// What is due, in the order in which it is to be done. Where the connection ends for it, that is the last.
    pub(crate) fn due(&mut self, now: Instant, seen: Seen) -> Vec<Due> {
        let mut due = Vec::new();
        if !self.trimmed && now >= self.last_read + IDLE {
            self.trimmed = true;
            due.push(Due::Trim);
        }
        match self.stage {
            Stage::Closing { until } => {
                due.extend((now >= until).then_some(Due::GraceOver));
                return due;
            }
            Stage::HalfClosed { probed } if now >= probed + PROBE => {
                self.stage = Stage::HalfClosed { probed: now };
                due.push(Due::Probe);
            }
            Stage::HalfClosed { .. } => {}
            Stage::Open => due.extend(self.idleness.due(&self.timeouts, now, seen.idle_after)),
        }
        if due.last() == Some(&Due::IdleOver) {
            return due;
        }
        if let Some(overdue) = self.overdue(now, seen.greeted) {
            due.push(overdue);
            return due;
        }
        if self.stage == Stage::Open && !self.pinged && now >= self.last_read + self.timeouts.ping_after {
            self.pinged = true;
            due.push(Due::Ping);
        }
        // Counted anew while any is open: some may begin later, and some peers may not end.
        if self.channels.take_if(|until| now >= *until).is_some() {
            due.push(Due::EndChannels);
        }
        due.push(Due::Expire);
        due
    }

    /// What the peer has not done in time.
    fn overdue(&self, now: Instant, greeted: bool) -> Option<Due> {
        if !greeted && now >= self.begun + self.timeouts.handshake {
            return Some(Due::HandshakeTimeout);
        }
        // Of a half-closed peer nothing can be heard; the probes watch it.
        let answer_by = self.last_read + self.timeouts.ping_after + self.timeouts.dead_after;
        if self.stage == Stage::Open && now >= answer_by {
            return Some(Due::Silent);
        }
        let stalled = self.blocked.is_some_and(|since| now >= since + self.timeouts.write_stall);
        stalled.then_some(Due::WriteStalled)
    }
}

/// Whether either end calls the other, as seen from time to time.
#[derive(Debug)]
struct Idleness {
    checked: Instant,
    /// How many calls there had been when none was under way, and since when there were as many.
    idle: Option<(u64, Instant)>,
    /// The connection drains for it.
    drains: bool,
}

impl Idleness {
    fn new(now: Instant) -> Idleness {
        Idleness { checked: now, idle: None, drains: false }
    }

    fn next_check(&self, timeouts: &Timeouts) -> Instant {
        let pause = timeouts.idle / 4;
        let pause = if self.drains { pause.min(timeouts.channel_grace) } else { pause };
        self.checked + pause.max(CHECK)
    }

    fn due(&mut self, timeouts: &Timeouts, now: Instant, idle_after: Option<u64>) -> Option<Due> {
        if now < self.next_check(timeouts) {
            return None;
        }
        self.checked = now;
        let known = self.idle.filter(|(before, _)| idle_after == Some(*before));
        self.idle = known.or(idle_after.map(|calls| (calls, now)));
        let (_, since) = self.idle?;
        if now < since + timeouts.idle {
            return None;
        }
        let drains = std::mem::replace(&mut self.drains, true);
        Some(if drains { Due::IdleOver } else { Due::Drain })
    }
}

#[cfg(test)]
mod tests;
