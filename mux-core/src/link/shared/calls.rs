//! What callers do with a connection: they open calls, wait for them, and give them up.

use super::Shared;
use crate::link::port::ChannelPort;
use mux_proto::session::calls::outgoing::Ticket;
use mux_proto::session::message::{Request, Terminal};
use mux_proto::thin_list::ThinList;
use mux_proto::wire::handles::IncomingHandle;
use std::task::{Context, Poll, Waker};
use tokio::time::Instant;

impl Shared {
    /// Whether the peer has said that it serves the service of that fingerprint.
    #[inline]
    pub(crate) fn peer_has(&self, fingerprint: u64) -> bool {
        let told = self.peer_services.get().map(|told| &told[..]).or_else(|| self.read_peer_services());
        told.is_some_and(|told| told.binary_search(&fingerprint).is_ok())
    }

    #[cold]
    fn read_peer_services(&self) -> Option<&[u64]> {
        let state = self.lock();
        if !state.session.is_greeted() {
            return None;
        }
        let mut told: Box<[u64]> = state.session.peer_services().iter().map(|(_, print)| *print).collect();
        drop(state);
        told.sort_unstable();
        Some(self.peer_services.get_or_init(|| told))
    }

    /// Hands a request over to the session. `None` for a notify that has left already.
    pub(crate) fn open(
        &self,
        request: Request<'_, Waker, ChannelPort>,
        notify: bool,
    ) -> Result<Option<Ticket>, Terminal> {
        let (opened, driver) = self.queue(request, notify);
        self.wake(driver);
        opened
    }

    /// As [`open`](Shared::open), on a plain thread that waits next. Where it waits alone it writes the request
    /// itself; of many the driver writes all together.
    pub(crate) fn open_and_write(
        &self,
        request: Request<'_, Waker, ChannelPort>,
        notify: bool,
    ) -> Result<Option<Ticket>, Terminal> {
        let (opened, driver) = self.queue(request, notify);
        if let Some(driver) = driver {
            let alone = self.lock().session.unanswered() <= 1;
            let flusher = alone.then(|| self.flusher.get()?.upgrade()).flatten();
            if !flusher.is_some_and(|flusher| flusher.flush_now(&driver)) {
                self.wake(Some(driver));
            }
        }
        opened
    }

    /// The driver's waker is returned if it is to be woken.
    #[inline]
    fn queue(
        &self,
        request: Request<'_, Waker, ChannelPort>,
        notify: bool,
    ) -> (Result<Option<Ticket>, Terminal>, Option<Waker>) {
        let deadline = request.deadline;
        let now = deadline.map_or(0, |_| self.deadline(Instant::now()));
        let mut guard = self.lock();
        let state = &mut *guard;
        let opened = if notify {
            state.session.notify(request, now, &mut state.outbox)
        } else {
            state.session.open(request, now, &mut state.outbox).map(Some)
        };
        if opened.is_ok() {
            state.look_at(deadline);
        }
        let driver = self.claim_flush(state);
        (opened, driver)
    }

    /// The call's end, or a promise to wake.
    pub(crate) fn poll_call(
        &self,
        ticket: Ticket,
        cx: &mut Context<'_>,
    ) -> Poll<(Terminal, ThinList<IncomingHandle>)> {
        let mut state = self.lock();
        if let Some(terminal) = state.session.take_done(ticket) {
            return Poll::Ready(terminal);
        }
        if state.session.waker(ticket).is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        drop(state);
        // Cloning and dropping a waker may run anyone's code.
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if let Some(terminal) = state.session.take_done(ticket) {
            return Poll::Ready(terminal);
        }
        let before = state.session.set_waker(ticket, waker);
        drop(state);
        drop(before);
        Poll::Pending
    }

    pub(crate) fn abandon(&self, ticket: Ticket) {
        let now = self.now();
        let untaken = self.act(|state| state.session.abandon(ticket, now, &mut state.outbox));
        drop(untaken);
    }
}
