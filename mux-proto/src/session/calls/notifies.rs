//! Notifies: they are sent in the order they came, as the peer gives credit, and none overtakes a large one. A notify
//! has a row only while it waits.

use crate::session::calls::outgoing::Calls;
use crate::session::calls::rows::{State, Ticket};
use crate::session::channels::credit::{self, SendCredit};
use crate::session::effects::Effects;
use crate::session::message::{Message, Request, Terminal};
use crate::session::outbox::payload::Payload;
use crate::session::send_context::SendContext;
use crate::wire::fault::{Fault, FaultCode};
use crate::wire::frame::Frame;
use crate::wire::handles::OutgoingHandle;
use crate::wire::xid::Xid;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;

#[derive(Debug)]
pub(super) struct Notifies<P> {
    /// Those that wait for credit.
    queue: VecDeque<(Ticket, Message<P>)>,
    /// Large ones that have not gone whole, with their charges.
    large: Vec<(Xid, u64)>,
}

impl<P> Default for Notifies<P> {
    fn default() -> Notifies<P> {
        Notifies { queue: VecDeque::new(), large: Vec::new() }
    }
}

impl<P> Notifies<P> {
    pub(super) fn trim(&mut self) {
        self.queue.shrink_to_fit();
        self.large.shrink_to_fit();
    }
}

impl<W, P: Clone> Calls<W, P> {
    /// Sends the notify where there is credit (then there is no row), or queues it.
    pub(crate) fn notify(
        &mut self,
        request: Request<'_, W, P>,
        send_credit: &mut SendCredit,
        context: &mut SendContext<'_, W, P>,
    ) -> Result<Option<Ticket>, Fault> {
        let Request { message, deadline, waker, nested } = request;
        if self.notifies.queue.is_empty() && self.may_notify(message, send_credit, context) {
            self.send_notify(message, send_credit, context);
            return Ok(None);
        }
        if nested {
            return Err(Fault::new(
                FaultCode::Overloaded,
                "the peer takes no more notifies now, and a handler may not wait for it",
            ));
        }
        let ticket = self.rows.insert(deadline, waker.take(), State::Posted);
        self.notifies.queue.push_back((ticket, message.take()));
        Ok(Some(ticket))
    }

    fn may_notify(
        &self,
        message: &Message<P>,
        send_credit: &SendCredit,
        context: &SendContext<'_, W, P>,
    ) -> bool {
        // Notifies keep their order: none overtakes a large one.
        send_credit.has_any() && self.notifies.large.is_empty() && self.fits(message, context)
    }

    fn send_notify(
        &mut self,
        message: &mut Message<P>,
        send_credit: &mut SendCredit,
        context: &mut SendContext<'_, W, P>,
    ) {
        let charge = message.charge();
        let carried = context.open(&mut message.carried);
        let meta = message.meta.encode(None, &carried);
        send_credit.spend(credit::notify_cost(meta.as_deref(), message.body.len()));
        let frame = Frame::Notify { method: (&*message.method).into(), meta: meta.as_deref(), args: &[] };
        let id = if charge > 0 { context.ids.take() } else { 0 };
        // The buffer is used again by whoever made the message.
        message.body = context.send(id, &frame, mem::take(&mut message.body), &carried).into();
        if charge > 0 {
            self.notifies.large.push((id, charge));
            self.buffered += charge;
        }
    }

    /// A large notify has gone whole.
    pub(crate) fn notify_left(&mut self, id: Xid) {
        if let Some(at) = self.notifies.large.iter().position(|(notify, _)| *notify == id) {
            self.buffered -= self.notifies.large.swap_remove(at).1;
        }
    }

    /// Sends the notifies that waited, as far as there is credit now. Returns whom to wake.
    pub(crate) fn pump_notifies(
        &mut self,
        send_credit: &mut SendCredit,
        context: &mut SendContext<'_, W, P>,
    ) -> Vec<W> {
        let mut wakers = Vec::new();
        while let Some((_, message)) = self.notifies.queue.front()
            && self.may_notify(message, send_credit, context)
            && let Some((ticket, mut message)) = self.notifies.queue.pop_front()
        {
            self.send_notify(&mut message, send_credit, context);
            context.effects.bodies.push(message.body);
            // Whoever sent it may have gone: it has nothing to wait for.
            wakers.extend(self.rows.end_posted(ticket, Terminal::Sent));
        }
        wakers
    }

    /// Takes out a notify that waits, and that nobody wants any more.
    pub(super) fn withdraw_notify(&mut self, ticket: Ticket, effects: &mut Effects<W, P>) {
        if let Some(at) = self.notifies.queue.iter().position(|(posted, _)| *posted == ticket)
            && let Some((_, message)) = self.notifies.queue.remove(at)
        {
            effects.discard(message.body, message.carried);
        }
    }

    pub(super) fn refuse_oversized_notifies(
        &mut self,
        exceeds_limits: impl Fn(&Payload, &[OutgoingHandle<P>]) -> Option<Fault>,
        effects: &mut Effects<W, P>,
    ) {
        for (ticket, message) in mem::take(&mut self.notifies.queue) {
            match exceeds_limits(&message.body, &message.carried) {
                Some(fault) => {
                    effects.discard(message.body, message.carried);
                    effects.wakers.extend(self.rows.end_posted(ticket, Terminal::fault(fault)));
                }
                None => self.notifies.queue.push_back((ticket, message)),
            }
        }
    }

    pub(super) fn refuse_notifies(&mut self, fault: &Fault, effects: &mut Effects<W, P>) {
        for (ticket, message) in mem::take(&mut self.notifies.queue) {
            effects.discard(message.body, message.carried);
            effects.wakers.extend(self.rows.end_posted(ticket, Terminal::fault(fault.clone())));
        }
    }

    pub(super) fn close_notifies(&mut self, effects: &mut Effects<W, P>) {
        self.notifies.large.clear();
        for (_, message) in self.notifies.queue.drain(..) {
            effects.discard(message.body, message.carried);
        }
    }

    pub(crate) fn has_queued_notifies(&self) -> bool {
        !self.notifies.queue.is_empty()
    }
}
