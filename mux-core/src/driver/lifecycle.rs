//! How a connection comes to its end: what the driver does when the peer sends no more, when a drain is over, and when the
//! connection is closed.

use crate::api::error::CloseReason;
use crate::driver::Driver;
use crate::driver::reader::PassEnd;
use crate::link::shared::driving::Standing;
use mux_proto::wire::fault::GoawayCode;
use std::io;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// Passes read from a peer that takes no more, at most.
const LAST_PASSES: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// The peer sends no more, and may still read what it is owed.
    HalfClosed,
    /// What is queued is written, and no more is read.
    Closing,
    /// All is written; the peer has to hang up.
    Lingering,
}

/// What brings a connection closer to its end.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Stay,
    /// Close it for this reason.
    Close(CloseReason),
    /// It is closed: read no more.
    StopReading,
    /// All is written: tell the stream.
    ShutDown,
}

impl Phase {
    fn step(self, standing: &Standing, drains_for_idleness: bool) -> Step {
        match self {
            Phase::Open | Phase::HalfClosed if standing.is_closed => Step::StopReading,
            Phase::Closing if standing.is_closed && standing.is_written => Step::ShutDown,
            _ if standing.is_closed => Step::Stay,
            _ if standing.is_drained && drains_for_idleness => Step::Close(CloseReason::Idle),
            _ if standing.is_drained => Step::Close(CloseReason::Drained),
            _ if standing.is_spent => Step::Close(CloseReason::Eof),
            _ => Step::Stay,
        }
    }
}

impl<S: AsyncRead + AsyncWrite> Driver<S> {
    /// Takes the step that is due at the end of a turn. Returns whether the next turn has to follow at once.
    pub(super) fn step(
        &mut self,
        standing: &Standing,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> io::Result<bool> {
        match self.phase.step(standing, self.timers.drains_for_idleness()) {
            Step::Stay => return Ok(false),
            Step::Close(reason) => self.shared.close(reason, GoawayCode::Closed),
            Step::StopReading => {
                self.phase = Phase::Closing;
                let until = self.timers.closing(now);
                self.alarm.no_later(until, cx);
            }
            // A stream dropped with bytes unread is reset, and the goodbye is lost with it (RFC 1122, 4.2.2.13): the peer
            // has to hang up first.
            Step::ShutDown if self.io.poll_shutdown(cx)?.is_ready() => self.phase = Phase::Lingering,
            Step::ShutDown => return Ok(false),
        }
        Ok(true)
    }

    /// Nothing more comes: who waits for an answer is told. Who is owed one may still read it.
    pub(super) fn end_reading(&mut self, now: Instant, cx: &mut Context<'_>) {
        self.phase = Phase::HalfClosed;
        let probe = self.timers.half_closed(now);
        self.alarm.no_later(probe, cx);
        self.refuse_stranger();
        let owing = self.shared.half_close();
        if owing {
            self.shared.ping();
        }
    }

    /// Closes the connection where something has come that is less than a hello, and nothing more does.
    pub(super) fn refuse_stranger(&mut self) {
        let state = self.shared.lock();
        let Some(what) = self.io.stranger(&state) else { return };
        drop(state);
        self.shared.close(CloseReason::NotMux(what), GoawayCode::Protocol);
    }

    /// Reads what the peer still sends, and drops it, until the peer hangs up.
    pub(super) fn discard(&mut self, cx: &mut Context<'_>) -> io::Result<PassEnd> {
        let Poll::Ready(read) = self.io.poll_discard(cx)? else { return Ok(PassEnd::NothingToRead) };
        self.breather.count(read);
        Ok(if read > 0 { PassEnd::MayGoOn } else { PassEnd::Eof })
    }

    /// The peer is gone. What it answered before may still be there to be read.
    pub(super) fn read_last(&mut self, cx: &mut Context<'_>) {
        for _ in 0..LAST_PASSES {
            let pass = self.io.read(&self.shared, self.time, cx);
            if self.phase != Phase::Open || !matches!(pass, Ok((PassEnd::MayGoOn, _))) {
                return;
            }
        }
    }

    /// The stream has failed.
    pub(super) fn fail(&mut self, error: &io::Error) {
        // Where the peer had stopped sending, the failed write shows only that it is gone.
        let gone = self.phase == Phase::HalfClosed;
        self.shared.abort(if gone { CloseReason::Eof } else { CloseReason::Io(error.to_string()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 4] = [Phase::Open, Phase::HalfClosed, Phase::Closing, Phase::Lingering];

    const WRITTEN: Standing = Standing {
        writes_next: false,
        may_resume: false,
        is_closed: false,
        is_written: true,
        is_drained: false,
        is_spent: false,
        has_lingering_channels: false,
        deadline: None,
    };

    fn step(phase: Phase, standing: &Standing) -> Step {
        phase.step(standing, false)
    }

    #[test]
    fn a_connection_stays_as_long_as_neither_end_is_done() {
        for phase in PHASES {
            assert_eq!(step(phase, &WRITTEN), Step::Stay, "{phase:?}");
            assert_eq!(step(phase, &Standing { is_written: false, ..WRITTEN }), Step::Stay, "{phase:?}");
        }
    }

    #[test]
    fn the_reason_of_an_end_is_what_it_ended_for() {
        let drained = Standing { is_drained: true, ..WRITTEN };
        let spent = Standing { is_spent: true, ..WRITTEN };
        let both = Standing { is_drained: true, is_spent: true, ..WRITTEN };
        assert_eq!(Phase::Open.step(&drained, false), Step::Close(CloseReason::Drained));
        assert_eq!(Phase::Open.step(&drained, true), Step::Close(CloseReason::Idle));
        assert_eq!(Phase::HalfClosed.step(&spent, true), Step::Close(CloseReason::Eof));
        assert_eq!(Phase::HalfClosed.step(&both, false), Step::Close(CloseReason::Drained));
    }

    #[test]
    fn a_closed_connection_stops_reading_then_writes_what_is_left_then_shuts_down() {
        let closed = Standing { is_closed: true, is_drained: true, is_spent: true, ..WRITTEN };
        let unwritten = Standing { is_written: false, ..closed };
        assert_eq!(
            PHASES.map(|phase| step(phase, &closed)),
            [Step::StopReading, Step::StopReading, Step::ShutDown, Step::Stay]
        );
        assert_eq!(step(Phase::Open, &unwritten), Step::StopReading);
        assert_eq!(step(Phase::Closing, &unwritten), Step::Stay);
    }
}
