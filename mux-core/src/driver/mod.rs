//! The one task of a connection: writes what was queued, reads what came, and keeps its times.
//!
//! Each turn writes what the last turn left to write, then handles one pass of frames, then comes
//! back at once if anything happened: callers and handlers that the pass woke run in between, and
//! their messages share the next write.

pub(crate) mod breather;
mod input;
mod pass;
pub(crate) mod reader;
pub(crate) mod stranger;
pub(crate) mod writer;

use crate::api::config::Timeouts;
use crate::api::error::CloseReason;
use crate::driver::breather::Breather;
use crate::driver::reader::{PassEnd, Reader};
use crate::driver::writer::{Flush, Writer};
use crate::link::shared::Shared;
use crate::link::shared::driving::FlushNow;
use crate::serve::dispatch::Dispatch;
use crate::util::pool;
use mux_proto::Millis;
use mux_proto::wire::fault::GoawayCode;
use mux_proto::wire::settings::Settings;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a closed connection may still write what is queued, and wait for its peer to hang up.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// How often the writing half is probed when the reading half has ended: a peer that is gone
/// altogether shows there only.
const PROBE: Duration = Duration::from_secs(1);

/// A connection that nothing has come on for so long gives its buffers back.
const IDLE: Duration = Duration::from_secs(1);

/// Whether a connection is idle is looked at so often at most.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Passes read from a peer that takes no more, at most.
const LAST_PASSES: usize = 256;

pub(crate) struct Driver<S> {
    stream: Pin<Box<S>>,
    shared: Arc<Shared>,
    timeouts: Timeouts,
    reader: Reader,
    writer: Writer,
    phase: Phase,
    /// The next turn writes.
    flush_next: bool,
    /// The stream takes nothing, since then.
    blocked: Option<Instant>,
    /// Channels are open while the connection drains: until then.
    channels: Option<Instant>,
    begun: Instant,
    /// When it last looked at the clock, in the session's time.
    time: Millis,
    last_read: Instant,
    pinged: bool,
    idleness: Idleness,
    /// Its buffers are given back.
    trimmed: bool,
    alarm: Alarm,
    breather: Breather,
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

/// Whether either end calls the other, as seen from time to time.
struct Idleness {
    looked: Instant,
    /// The session's count of what was called, and when it was first seen; where nothing was under way.
    idle: Option<(u64, Instant)>,
    /// The connection is drained for it.
    ended: bool,
}

impl Idleness {
    fn new(now: Instant) -> Idleness {
        Idleness { looked: now, idle: None, ended: false }
    }

    /// Notes the session's count, where nothing is under way. Returns since when it has been so.
    fn look(&mut self, activity: Option<u64>, now: Instant) -> Option<Instant> {
        self.looked = now;
        let known = self.idle.filter(|(before, _)| activity == Some(*before));
        self.idle = known.or(activity.map(|activity| (activity, now)));
        self.idle.map(|(_, since)| since)
    }

    fn next_look(&self, times: &Timeouts) -> Instant {
        let pause = times.idle / 4;
        self.looked + if self.ended { pause.min(times.channel_grace) } else { pause }.max(LOOK_AGAIN)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Open,
    /// The peer sends no more, and may still read what it is owed. Last probed then.
    HalfClosed {
        probed: Instant,
    },
    /// What is queued is written, and no more is read, until then.
    Closing {
        until: Instant,
    },
    /// All is written, the peer has to hang up until then.
    Lingering {
        until: Instant,
    },
}

impl<S: AsyncRead + AsyncWrite> Driver<S> {
    pub(crate) fn new(stream: S, shared: Arc<Shared>, timeouts: Timeouts, ours: &Settings) -> Driver<S> {
        let now = Instant::now();
        Driver {
            _gone: Gone(Arc::clone(&shared)),
            stream: Box::pin(stream),
            shared,
            timeouts,
            reader: Reader::new(ours),
            writer: Writer::default(),
            phase: Phase::Open,
            flush_next: true,
            blocked: None,
            channels: None,
            begun: now,
            time: 0,
            last_read: now,
            pinged: false,
            idleness: Idleness::new(now),
            trimmed: false,
            alarm: Alarm::new(now),
            breather: Breather::default(),
            _pool: pool::Using::begin(),
        }
    }

    /// `Ready` when the connection is over.
    fn turn(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let writing = self.flush_next || self.blocked.is_some();
        if let Err(error) = if writing { self.write(now, cx) } else { Ok(()) } {
            self.read_last(cx);
            return Poll::Ready(Err(error));
        }
        let mut comes_back = false;
        match self.phase {
            Phase::Open => comes_back = self.read(now, cx)? && !writing,
            Phase::Lingering { .. } => {
                if self.has_hung_up(cx)? {
                    return Poll::Ready(Ok(()));
                }
            }
            Phase::HalfClosed { .. } | Phase::Closing { .. } => {}
        }
        if self.alarm.is_due(now) {
            if self.is_out_of_grace(now) {
                return Poll::Ready(Ok(()));
            }
            self.keep_times(now);
            self.alarm.set(self.next_alarm(now), cx);
        }
        if comes_back {
            // The next turn writes, and then looks at the state.
            self.breather.come_back(cx);
        } else if self.settle(now, cx)? {
            Dispatch::resume(self.shared.resume_deferred(), &self.shared);
        }
        Poll::Pending
    }

    fn look_at_clock(&mut self) -> Instant {
        let now = Instant::now();
        self.time = self.shared.at(now);
        now
    }

    fn write(&mut self, now: Instant, cx: &mut Context<'_>) -> io::Result<()> {
        let (flush, written) = self.writer.poll_flush(self.stream.as_mut(), &self.shared, self.time, cx)?;
        self.breather.count(written);
        self.flush_next = false;
        if flush == Flush::Done {
            self.blocked = None;
        } else if written > 0 || self.blocked.is_none() {
            self.blocked = Some(now);
            self.alarm.no_later(now + self.timeouts.write_stall, cx);
        }
        Ok(())
    }

    /// Whether there was something to read, and more may come.
    fn read(&mut self, now: Instant, cx: &mut Context<'_>) -> io::Result<bool> {
        let (pass, read) = self.reader.poll_pass(self.stream.as_mut(), &self.shared, self.time, cx)?;
        self.breather.count(read);
        match &pass {
            PassEnd::NothingToRead => {}
            PassEnd::MayGoOn | PassEnd::Over => {
                self.last_read = now;
                self.pinged = false;
                self.flush_next = true;
                if std::mem::take(&mut self.trimmed) {
                    self.alarm.no_later(now + IDLE, cx);
                }
            }
            PassEnd::Eof => {
                self.phase = Phase::HalfClosed { probed: now };
                self.alarm.no_later(now + PROBE, cx);
                self.refuse_stranger();
                self.end_reading();
            }
        }
        Ok(matches!(pass, PassEnd::MayGoOn))
    }

    /// The peer is gone. What it answered before may still be there to be read.
    fn read_last(&mut self, cx: &mut Context<'_>) {
        for _ in 0..LAST_PASSES {
            let pass = self.reader.poll_pass(self.stream.as_mut(), &self.shared, self.time, cx);
            if self.phase != Phase::Open || !matches!(pass, Ok((PassEnd::MayGoOn, _))) {
                return;
            }
        }
    }

    /// Closes the connection where something has come that is less than a hello, and nothing more does.
    fn refuse_stranger(&mut self) {
        let state = self.shared.lock();
        let Some(what) = self.reader.stranger(&state) else { return };
        drop(state);
        self.shared.close(CloseReason::NotMux(what), GoawayCode::Protocol);
    }

    /// Nothing more comes: who waits for an answer is told. Who is owed one may still read it.
    fn end_reading(&mut self) {
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        state.half_closed = true;
        state.session.close_calls(&mut state.outbox);
        let owing = !state.session.owes_nothing();
        drop(guard);
        if owing {
            self.probe();
        }
    }

    fn probe(&mut self) {
        let mut state = self.shared.lock();
        let state = &mut *state;
        // Where even this is too much, the stalled write shows first.
        let _ = state.session.ping(&mut state.outbox);
    }

    /// Looks at the state under one lock: what is to be written, and whether this is the end. Returns whether deferred
    /// requests may begin.
    fn settle(&mut self, now: Instant, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut state = self.shared.lock();
        if !state.driver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            // The runtime's own waker: no code of a user.
            state.driver = Some(cx.waker().clone());
        }
        let queued = state.has_output();
        if self.blocked.is_none() {
            state.outbox.batch_is_written();
        }
        let resumes = state.may_resume();
        // The duty to flush is given back where there is nothing to write.
        state.flushing = queued || self.flush_next || self.blocked.is_some();
        let written = !queued && self.blocked.is_none();
        let drained = written && state.session.is_drained();
        let ended = written && state.half_closed && state.session.owes_nothing();
        let closed = state.closed.is_some();
        let timer = state.timer;
        let lingering = state.session.is_draining() && state.session.has_channels();
        drop(state);
        self.watch_channels(lingering, now, cx);

        self.flush_next |= queued && self.blocked.is_none();
        if let Some(timer) = timer.filter(|_| !closed) {
            self.alarm.no_later(self.shared.instant(timer), cx);
        }
        if closed {
            self.close(written, now, cx)?;
        } else if drained || ended {
            let reason = match (drained, self.idleness.ended) {
                (true, true) => CloseReason::Idle,
                (true, false) => CloseReason::Drained,
                (false, _) => CloseReason::Eof,
            };
            self.shared.close(reason, GoawayCode::Closed);
            self.flush_next = true;
        }
        if self.flush_next {
            self.breather.come_back(cx);
        }
        Ok(resumes)
    }

    /// Gives channels that are open while the connection drains so much time, and no more.
    fn watch_channels(&mut self, lingering: bool, now: Instant, cx: &mut Context<'_>) {
        if lingering && self.channels.is_none() {
            let until = now + self.timeouts.channel_grace;
            self.channels = Some(until);
            self.alarm.no_later(until, cx);
        }
    }

    /// Writes what is queued, then waits for the peer to hang up: a stream dropped with bytes unread
    /// is reset, and the goodbye is lost with it (RFC 1122, 4.2.2.13).
    fn close(&mut self, written: bool, now: Instant, cx: &mut Context<'_>) -> io::Result<()> {
        match self.phase {
            Phase::Open | Phase::HalfClosed { .. } => {
                self.phase = Phase::Closing { until: now + CLOSE_GRACE };
                self.alarm.no_later(now + CLOSE_GRACE, cx);
                self.flush_next = true;
            }
            Phase::Closing { until } if written => {
                if self.stream.as_mut().poll_shutdown(cx)?.is_ready() {
                    self.phase = Phase::Lingering { until };
                    self.flush_next = true;
                }
            }
            Phase::Closing { .. } | Phase::Lingering { .. } => {}
        }
        Ok(())
    }

    /// Reads what the peer still sends, and drops it.
    fn has_hung_up(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut scratch = [0; 4096];
        let mut buffer = ReadBuf::new(&mut scratch);
        if self.stream.as_mut().poll_read(cx, &mut buffer)?.is_pending() {
            return Ok(false);
        }
        let read = buffer.filled().len();
        self.breather.count(read);
        self.flush_next = true;
        Ok(read == 0)
    }

    fn is_out_of_grace(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Closing { until } | Phase::Lingering { until } if now >= until)
    }

    /// Does what is due: deadlines, pings, and giving up on a peer that does not answer.
    fn keep_times(&mut self, now: Instant) {
        // What others left there too, which may have closed since.
        pool::trim(IDLE);
        if !self.trimmed && now >= self.last_read + IDLE {
            self.trim();
        }
        match self.phase {
            Phase::Closing { .. } | Phase::Lingering { .. } => return,
            Phase::HalfClosed { probed } if now >= probed + PROBE => {
                self.phase = Phase::HalfClosed { probed: now };
                self.probe();
            }
            Phase::HalfClosed { .. } | Phase::Open => {}
        }
        if self.phase == Phase::Open && now >= self.idleness.next_look(&self.timeouts) {
            self.look_for_idleness(now);
        }
        if let Some(reason) = self.lost_patience(now) {
            if reason == CloseReason::HandshakeTimeout {
                self.refuse_stranger();
            }
            return self.shared.close(reason, GoawayCode::Timeout);
        }
        if self.phase == Phase::Open && !self.pinged && now >= self.last_read + self.timeouts.ping_after {
            self.pinged = true;
            self.probe();
        }
        if self.channels.take_if(|until| now >= *until).is_some() {
            // Armed again while any is open: some may begin later, and some peers may not end.
            self.shared.end_channels(self.time);
        }
        self.shared.expire(self.time);
    }

    /// Drains a connection that has been idle for long enough.
    fn look_for_idleness(&mut self, now: Instant) {
        let state = self.shared.lock();
        let (activity, idle) = (state.session.activity(), state.session.is_idle());
        drop(state);
        let since = self.idleness.look(idle.then_some(activity), now);
        if since.is_none_or(|since| now < since + self.timeouts.idle) {
            return;
        }
        if self.idleness.ended {
            // All that the drain still waits for is what the peer does not end.
            return self.shared.close(CloseReason::Idle, GoawayCode::Closed);
        }
        self.idleness.ended = true;
        self.shared.drain();
    }

    fn trim(&mut self) {
        self.trimmed = true;
        self.reader.trim();
        self.writer.trim();
        self.shared.trim();
    }

    fn lost_patience(&self, now: Instant) -> Option<CloseReason> {
        // Of a half-closed peer nothing can be heard; the probes watch it.
        let silent = self.phase == Phase::Open
            && now >= self.last_read + self.timeouts.ping_after + self.timeouts.dead_after;
        let stalled = self.blocked.is_some_and(|since| now >= since + self.timeouts.write_stall);
        let late = now >= self.begun + self.timeouts.handshake && !self.shared.is_greeted();
        match (late, silent, stalled) {
            (true, ..) => Some(CloseReason::HandshakeTimeout),
            (_, true, _) => Some(CloseReason::Silent),
            (.., true) => Some(CloseReason::WriteStalled),
            _ => None,
        }
    }

    fn next_alarm(&self, now: Instant) -> Instant {
        let ping = self.last_read + self.timeouts.ping_after;
        let idleness = self.idleness.next_look(&self.timeouts);
        let by_phase = match self.phase {
            Phase::Open if self.pinged => (ping + self.timeouts.dead_after).min(idleness),
            Phase::Open => ping.min(idleness),
            Phase::HalfClosed { probed } => probed + PROBE,
            Phase::Closing { until } | Phase::Lingering { until } => until,
        };
        let handshake = self.begun + self.timeouts.handshake;
        let handshake = (now < handshake).then_some(handshake);
        let stall = self.blocked.map(|since| since + self.timeouts.write_stall);
        let trim = (!self.trimmed).then_some(self.last_read + IDLE);
        handshake.into_iter().chain(stall).chain(trim).chain(self.channels).fold(by_phase, Instant::min)
    }
}

impl<S: AsyncRead + AsyncWrite> Driver<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.breather.poll(cx));
        let now = self.look_at_clock();
        let Poll::Ready(end) = self.turn(now, cx) else {
            if self.may_move_soon() {
                self.breather.look_again(now, cx);
            }
            return Poll::Pending;
        };
        if let Err(error) = end {
            // Where the peer had stopped sending, the failed write shows only that it is gone.
            let gone = matches!(self.phase, Phase::HalfClosed { .. });
            self.shared.abort(if gone { CloseReason::Eof } else { CloseReason::Io(error.to_string()) });
        }
        Poll::Ready(())
    }

    /// Whether looking at the stream again beats sleeping. In the background the processor is left to the plain threads
    /// that this thread has woken.
    fn may_move_soon(&self) -> bool {
        let between_calls = self.reader.is_between_calls() && !self.shared.is_in_background();
        let reads_soon = self.reader.is_within_a_message() || between_calls;
        self.blocked.is_some() || self.phase == Phase::Open && reads_soon
    }

    /// Writes as the next turn would.
    fn write_now(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let now = self.look_at_clock();
        self.write(now, cx)?;
        if self.settle(now, cx)? {
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
    fn help(&self, driver: &Waker) -> bool {
        let Ok(mut this) = self.try_lock() else { return false };
        let idle = this.phase == Phase::Open && this.blocked.is_none() && !this.breather.is_yielding();
        let written = idle && this.write_now(&mut Context::from_waker(driver)).is_ok();
        // What failed here fails for the driver too, which then ends the connection.
        this.flush_next |= !written;
        written
    }
}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        // Says nothing where there is a reason already.
        self.shared.abort(CloseReason::RuntimeGone);
    }
}

/// Wakes the driver at a time. Setting it costs; looking at it does not.
struct Alarm {
    at: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    /// Due at once: the first turn sets it.
    fn new(now: Instant) -> Alarm {
        Alarm { at: now, sleep: Box::pin(tokio::time::sleep_until(now)) }
    }

    fn is_due(&self, now: Instant) -> bool {
        now >= self.at
    }

    fn set(&mut self, at: Instant, cx: &mut Context<'_>) {
        self.at = at;
        self.sleep.as_mut().reset(at);
        if self.sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    fn no_later(&mut self, at: Instant, cx: &mut Context<'_>) {
        if at < self.at {
            self.set(at, cx);
        }
    }
}
