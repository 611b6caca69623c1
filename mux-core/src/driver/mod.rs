//! The one task of a connection: writes what was queued, reads what came, and sees to its times.
//!
//! Each turn writes what the last turn left to write, then handles one pass of frames, then comes
//! back at once if anything happened: callers and handlers that the pass woke run in between, and
//! their messages share the next write.

mod alarm;
pub(crate) mod breather;
mod input;
mod io;
mod lifecycle;
mod pass;
pub(crate) mod reader;
pub(crate) mod stranger;
mod timers;
pub(crate) mod writer;

use crate::api::config::Timeouts;
use crate::api::error::CloseReason;
use crate::driver::alarm::Alarm;
use crate::driver::breather::Breather;
use crate::driver::io::Io;
use crate::driver::lifecycle::Phase;
use crate::driver::reader::PassEnd;
use crate::driver::timers::{Due, IDLE, Seen, Timers};
use crate::driver::writer::Flush;
use crate::link::shared::Shared;
use crate::link::shared::driving::FlushNow;
use crate::serve::dispatch::Dispatch;
use crate::util::pool;
use mux_proto::Millis;
use mux_proto::wire::fault::GoawayCode;
use mux_proto::wire::settings::Settings;
use std::future::Future;
use std::io::Result;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

pub(crate) struct Driver<S> {
    io: Io<S>,
    timers: Timers,
    phase: Phase,
    alarm: Alarm,
    breather: Breather,
    shared: Arc<Shared>,
    /// When it last read the clock, in the session's time.
    time: Millis,
    /// Dropped after the buffers.
    _pool: pool::Using,
    /// Dropped last, after the stream.
    _gone: Gone,
}

/// Tells that the stream is dropped.
struct Gone(Arc<Shared>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.gone();
    }
}

impl<S: AsyncRead + AsyncWrite> Driver<S> {
    pub(crate) fn new(stream: S, shared: Arc<Shared>, timeouts: Timeouts, ours: &Settings) -> Driver<S> {
        let now = Alarm::now();
        Driver {
            _gone: Gone(Arc::clone(&shared)),
            io: Io::new(stream, ours),
            timers: Timers::new(timeouts, now),
            phase: Phase::Open,
            alarm: Alarm::new(now),
            breather: Breather::default(),
            shared,
            time: 0,
            _pool: pool::Using::begin(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.breather.poll(cx));
        let now = self.read_clock();
        let Poll::Ready(end) = self.turn(now, cx) else {
            if self.may_move_soon() {
                self.breather.look_again(now, cx);
            }
            return Poll::Pending;
        };
        if let Err(error) = end {
            self.fail(&error);
        }
        Poll::Ready(())
    }

    fn read_clock(&mut self) -> Instant {
        let now = Alarm::now();
        self.time = self.shared.at(now);
        now
    }

    /// Whether polling the stream again beats sleeping. In the background the processor is left to the plain threads
    /// that this thread has woken.
    fn may_move_soon(&self) -> bool {
        let between_calls = self.io.is_between_calls() && !self.shared.is_in_background();
        let reads_soon = self.io.is_within_a_message() || between_calls;
        self.io.is_blocked() || self.phase == Phase::Open && reads_soon
    }

    /// `Ready` when the connection is over.
    fn turn(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let writes = self.shared.flush_is_due();
        if writes && let Err(error) = self.write(now, cx) {
            self.read_last(cx);
            return Poll::Ready(Err(error));
        }
        let pass = match self.phase {
            Phase::Open => self.read(now, cx)?,
            Phase::Lingering => self.discard(cx)?,
            Phase::HalfClosed | Phase::Closing => PassEnd::NothingToRead,
        };
        let hung_up = self.phase == Phase::Lingering && pass == PassEnd::Eof;
        if hung_up || self.alarm.is_due(now) && self.handle_timers(now, cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if pass == PassEnd::MayGoOn && !writes {
            // The next turn writes, and then looks at the state.
            self.breather.come_back(cx);
        } else if self.finish_turn(pass, now, cx)? {
            Dispatch::resume(self.shared.resume_deferred(), &self.shared);
        }
        Poll::Pending
    }

    fn write(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<()> {
        let (flush, written) = self.io.write(&self.shared, self.time, cx)?;
        self.breather.count(written);
        match flush {
            Flush::Done => self.timers.unblocked(),
            Flush::Blocked => {
                let stalled = self.timers.blocked(now, written > 0);
                self.wake_no_later(stalled, cx);
            }
        }
        Ok(())
    }

    fn read(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<PassEnd> {
        let (pass, read) = self.io.read(&self.shared, self.time, cx)?;
        self.breather.count(read);
        match pass {
            PassEnd::NothingToRead => {}
            PassEnd::MayGoOn | PassEnd::Over => {
                let idle = self.timers.read(now);
                self.wake_no_later(idle, cx);
            }
            PassEnd::Eof => self.end_reading(now, cx),
        }
        Ok(pass)
    }

    fn wake_no_later(&mut self, at: Option<Instant>, cx: &mut Context<'_>) {
        if let Some(at) = at {
            self.alarm.no_later(at, cx);
        }
    }

    /// Looks at the state under one lock: what is to be written, and whether this is the end. Returns whether deferred
    /// requests may begin.
    fn finish_turn(&mut self, pass: PassEnd, now: Instant, cx: &mut Context<'_>) -> Result<bool> {
        let standing = self.shared.end_turn(cx.waker(), self.io.is_blocked());
        if standing.has_lingering_channels {
            let until = self.timers.channels_linger(now);
            self.wake_no_later(until, cx);
        }
        if let Some(deadline) = standing.deadline.filter(|_| !standing.is_closed) {
            self.alarm.no_later(self.shared.instant(deadline), cx);
        }
        let steps = self.step(&standing, now, cx)?;
        if steps || standing.writes_next || matches!(pass, PassEnd::MayGoOn | PassEnd::Over) {
            self.breather.come_back(cx);
        }
        Ok(standing.may_resume)
    }

    /// Does what is due, and sets the alarm for what is next. `Ready` where a closed connection has had time enough.
    fn handle_timers(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        // What others left there too, which may have closed since.
        pool::trim(IDLE);
        let state = self.shared.lock();
        let idle_after = state.session.is_idle().then(|| state.session.activity());
        let seen = Seen { greeted: state.session.is_greeted(), idle_after };
        drop(state);
        for due in self.timers.due(now, seen) {
            match due {
                Due::Trim => self.trim(),
                Due::Ping | Due::Probe => self.shared.ping(),
                Due::Expire => self.shared.expire(self.time),
                Due::EndChannels => self.shared.end_channels(self.time),
                Due::Drain => self.shared.drain(),
                Due::IdleOver => self.shared.close(CloseReason::Idle, GoawayCode::Closed),
                Due::HandshakeTimeout => {
                    self.refuse_stranger();
                    self.shared.close(CloseReason::HandshakeTimeout, GoawayCode::Timeout);
                }
                Due::Silent => self.shared.close(CloseReason::Silent, GoawayCode::Timeout),
                Due::WriteStalled => self.shared.close(CloseReason::WriteStalled, GoawayCode::Timeout),
                Due::GraceOver => return Poll::Ready(()),
            }
        }
        self.alarm.set(self.timers.next(now), cx);
        Poll::Pending
    }

    fn trim(&mut self) {
        self.io.trim();
        self.shared.trim();
    }

    /// Writes as the next turn would.
    fn write_now(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let now = self.read_clock();
        self.write(now, cx)?;
        if self.finish_turn(PassEnd::NothingToRead, now, cx)? {
            // The driver itself begins what is deferred, on its runtime.
            cx.waker().wake_by_ref();
        }
        Ok(())
    }
}

/// The task that polls a driver.
pub(crate) struct Driving<S>(Arc<Mutex<Driver<S>>>);

impl<S: AsyncRead + AsyncWrite + Send + 'static> Driving<S> {
    pub(crate) fn new(driver: Driver<S>) -> Driving<S> {
        let shared = Arc::clone(&driver.shared);
        let driver = Arc::new(Mutex::new(driver));
        let flusher: Weak<Mutex<Driver<S>>> = Arc::downgrade(&driver);
        shared.set_flusher(flusher);
        Driving(driver)
    }
}

impl<S: AsyncRead + AsyncWrite> Future for Driving<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Send> FlushNow for Mutex<Driver<S>> {
    fn flush_now(&self, driver: &Waker) -> bool {
        let Ok(mut this) = self.try_lock() else { return false };
        let idle = this.phase == Phase::Open && !this.io.is_blocked() && !this.breather.is_yielding();
        let written = idle && this.write_now(&mut Context::from_waker(driver)).is_ok();
        if !written {
            // What failed here fails for the driver too, which then ends the connection.
            this.shared.flush_next_turn();
        }
        written
    }
}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        // Says nothing where there is a reason already.
        self.shared.abort(CloseReason::RuntimeGone);
    }
}
