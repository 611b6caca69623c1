//! Bytes -> frames -> session -> what is to be done. Never waits for a writer, a handler or a caller.

use crate::api::error::CloseReason;
use crate::driver::input::Input;
use crate::driver::pass::{Over, Pass, Todo, stranger};
use crate::link::shared::answers::Running;
use crate::link::shared::{Shared, State};
use crate::serve::dispatch::{Dispatch, NotifyLane};
use crate::serve::inbound::InboundCall;
use mux_proto::Millis;
use mux_proto::wire::fault::GoawayCode;
use mux_proto::wire::settings::Settings;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncRead;

pub(crate) struct Reader {
    input: Input,
    /// Two ends on this machine can be at work at the same time.
    overlaps: bool,
    /// Requests or answers were in the last pass.
    had_calls: bool,
    wakers: Vec<Waker>,
    notifies: NotifyLane,
}

/// How a pass ended.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum PassEnd {
    /// Frames were handled; more may be buffered.
    MayGoOn,
    /// Nothing is to be read now.
    NothingToRead,
    /// The peer sends no more.
    Eof,
    /// The peer has closed, or has to be.
    Over,
}

impl Reader {
    pub(crate) fn new(ours: &Settings) -> Reader {
        Reader {
            input: Input::new(ours.longest_frame()),
            overlaps: ends_overlap(),
            had_calls: false,
            wakers: Vec::new(),
            notifies: NotifyLane::default(),
        }
    }

    /// Reads once where nothing whole is buffered, then handles one pass of frames. The `usize` is
    /// how many bytes were read.
    pub(crate) fn poll_pass<R: AsyncRead>(
        &mut self,
        stream: Pin<&mut R>,
        shared: &Arc<Shared>,
        now: Millis,
        cx: &mut Context<'_>,
    ) -> io::Result<(PassEnd, usize)> {
        let mut read = 0;
        if !self.input.has_frame() {
            match self.input.poll_fill(stream, cx) {
                Poll::Pending => return Ok((PassEnd::NothingToRead, 0)),
                Poll::Ready(Ok(0)) => return Ok((PassEnd::Eof, 0)),
                Poll::Ready(Ok(bytes)) => read = bytes,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        Ok((self.pass(shared, now), read))
    }

    /// More of a large message is to come.
    pub(crate) fn is_within_a_message(&self) -> bool {
        self.input.is_within_a_message()
    }

    /// The next call or answer is probably made at this moment, on another processor of this machine if the peer is there.
    pub(crate) fn is_between_calls(&self) -> bool {
        self.overlaps && self.had_calls
    }

    /// What came instead of a hello, where no whole frame has.
    pub(crate) fn stranger(&self, state: &State) -> Option<String> {
        stranger(&self.input.buffer, state)
    }

    /// Gives back what nothing lies in.
    pub(crate) fn trim(&mut self) {
        // Polling the stream again at once would reserve the buffer anew.
        self.had_calls = false;
        self.wakers = Vec::new();
        self.input.trim();
    }

    /// Handles what is buffered, up to a pass, under one lock; then does what it calls for.
    fn pass(&mut self, shared: &Arc<Shared>, now: Millis) -> PassEnd {
        if self.input.is_within_a_chunk() {
            shared.flush_next_turn();
            return PassEnd::MayGoOn;
        }
        let mut state = shared.lock_for_pass();
        let mut pass =
            Pass { state: &mut state, shared, now, wakers: &mut self.wakers, todo: Todo::default() };
        pass.handle(&mut self.input, self.overlaps);
        let todo = pass.todo;
        drop(state);
        self.had_calls = todo.has_calls;
        self.wakers.drain(..).for_each(Waker::wake);
        self.perform(todo, shared)
    }

    fn perform(&mut self, mut todo: Todo, shared: &Arc<Shared>) -> PassEnd {
        todo.stops.into_iter().for_each(Running::stop);
        if todo.full && todo.calls.len() + todo.apart.len() > 0 {
            let deferred = todo.apart.extract_if(.., |call| !call.is_notify());
            shared.defer(todo.calls.drain(..).chain(deferred));
        }
        if !todo.apart.is_empty() {
            self.dispatch_apart(todo.apart, shared);
        }
        if !todo.calls.is_empty() {
            Dispatch::new(todo.calls, shared).spawn();
        }
        match todo.over {
            None => PassEnd::MayGoOn,
            Some(Over::ProtocolError(protocol_error)) => {
                shared.close(CloseReason::Protocol(protocol_error.message), protocol_error.code);
                PassEnd::Over
            }
            Some(Over::Stranger(what)) => {
                shared.close(CloseReason::NotMux(what), GoawayCode::Protocol);
                PassEnd::Over
            }
            Some(Over::Goodbye(message)) => {
                shared.abort(CloseReason::Peer(message));
                PassEnd::Over
            }
        }
    }

    /// Notifies run in their order, inline methods here and now. Decoding what is large takes long: on a
    /// task that nobody else waits for.
    fn dispatch_apart(&mut self, calls: Vec<InboundCall>, shared: &Arc<Shared>) {
        let mut inline = Vec::new();
        for call in calls {
            if call.is_notify() {
                self.notifies.push(call, shared);
            } else if call.is_inline() {
                inline.push(call);
            } else {
                Dispatch::new(vec![call], shared).spawn();
            }
        }
        Dispatch::new(inline, shared).run_all();
    }
}

/// Whether two ends on this machine can be at work at the same time.
fn ends_overlap() -> bool {
    static OVERLAP: OnceLock<bool> = OnceLock::new();
    *OVERLAP.get_or_init(|| std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1))
}
