//! The sending half of a channel: credit, END, and what the receiver takes.

use crate::session::channels::Channels;
use crate::session::channels::Endpoint;
use crate::session::channels::FlushCount;
use crate::session::channels::HeldBack;
use crate::session::channels::Row;
use crate::session::channels::credit::SendCredit;
use crate::session::channels::item_cost;
use crate::session::channels::never_opened;
use crate::session::channels::unread::Oversize;
use crate::session::effects::Effects;
use crate::session::outbox::Outbox;
use crate::wire::fault::Fault;
use crate::wire::fault::FaultCode;
use crate::wire::frame;
use crate::wire::frame::Frame;
use crate::wire::settings::SMALL;
use crate::wire::settings::Settings;
use crate::wire::xid::Counter;
use crate::wire::xid::Xid;
use alloc::format;
use alloc::string::String;

#[derive(Debug)]
pub(crate) struct Finished {
    /// When END was queued.
    said: FlushCount,
    window: u64,
    oversize: Option<Oversize>,
}

#[derive(Debug)]
pub(crate) struct Sending<P> {
    pub(crate) send_credit: SendCredit,
    /// Absent until the half that came with a message has been decoded.
    pub(crate) port: Option<P>,
    pub(crate) pending: Pending,
    /// An item of more than half a window that the receiver may not have taken.
    pub(crate) oversize: Option<Oversize>,
    /// It is listed among those that wait for the peer to accept more channels. Its items may wait for credit as well.
    pub(crate) awaiting_channels: bool,
}

/// What goes as soon as it may.
#[derive(Debug)]
pub(crate) enum Pending {
    Nothing,
    /// Items of the port's, which has to be resumed. They cost so much.
    Items(u64),
    /// END, once nothing is in front.
    End(Option<Fault>),
}

impl Pending {
    /// The port waits. END, where it is pending, goes in place of what the port has.
    fn items_wait(&mut self, cost: u64) {
        if !matches!(self, Pending::End(_)) {
            *self = Pending::Items(cost);
        }
    }

    /// What END says, where it is pending.
    pub(crate) fn take_end(&mut self) -> Option<Option<Fault>> {
        match core::mem::replace(self, Pending::Nothing) {
            Pending::End(why) => Some(why),
            other => {
                *self = other;
                None
            }
        }
    }
}

impl<P> Sending<P> {
    pub(crate) fn new(window: u64, port: Option<P>) -> Sending<P> {
        let send_credit = SendCredit::new(window);
        Sending { send_credit, port, pending: Pending::Nothing, oversize: None, awaiting_channels: false }
    }
}

impl<P: Clone> Sending<P> {
    /// Resumes the port if its items wait and there is credit for them.
    pub(crate) fn resume<W>(&mut self, effects: &mut Effects<W, P>) {
        if let Pending::Items(cost) = self.pending
            && self.send_credit.has(cost)
        {
            self.pending = Pending::Nothing;
            effects.resumed.extend(self.port.clone());
        }
    }
}

/// Why items cannot go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// No credit, or a large message is in front. The port will be resumed.
    Wait,
    /// The receiver has gone.
    Stopped,
}

impl<W, P: Clone> Channels<W, P> {
    /// The half that came with a message has got its port; `false` where its receiver has gone already.
    pub(crate) fn bind(&mut self, id: Xid, port: P) -> bool {
        match self.rows.get_mut(&id) {
            Some(Row { end: Endpoint::Sending(sending), .. }) => {
                sending.port = Some(port);
                true
            }
            _ => false,
        }
    }

    /// Whether the port may send items of `len` bytes that carry so many channels now.
    pub(crate) fn may_send(
        &mut self,
        id: Xid,
        (len, carried): (usize, usize),
        peer: &Settings,
        effects: &mut Effects<W, P>,
    ) -> Result<(), NotSent> {
        let room = self.has_room(carried, peer);
        let Some(Row { held_back, end: Endpoint::Sending(sending), .. }) = self.rows.get_mut(&id) else {
            return Err(NotSent::Stopped);
        };
        let cost = item_cost(len, carried);
        let held = *held_back != HeldBack::No;
        if !held && room && sending.send_credit.has(cost) {
            if !sending.send_credit.is_oversize(cost)
                || self.unread_there.may_begin(id, cost, peer.max_unread)
            {
                return Ok(());
            }
            sending.pending.items_wait(cost);
            return Err(NotSent::Wait);
        }
        sending.pending.items_wait(cost);
        if !room && !held && !core::mem::replace(&mut sending.awaiting_channels, true) {
            self.awaiting_channels.push(id);
        }
        // Its turn would hold up others, who may have to end before it can begin.
        let next = self.unread_there.leave(id);
        self.resume_next(next, effects);
        Err(NotSent::Wait)
    }

    /// Spends the credit of items that are sent now. A large item holds back all that follows it on its channel.
    pub(crate) fn spend(&mut self, id: Xid, cost: u64, large: bool, effects: &mut Effects<W, P>) {
        let Some(Row { held_back, end: Endpoint::Sending(sending), .. }) = self.rows.get_mut(&id) else {
            return;
        };
        let end = sending.send_credit.spend(cost);
        *held_back = if large { HeldBack::ByItem } else { HeldBack::No };
        if sending.send_credit.is_oversize(cost) {
            sending.oversize = Some(Oversize { end, cost });
            let next = self.unread_there.begin(id, cost);
            self.resume_next(next, effects);
        }
    }

    /// The sender has no more to say. END goes behind what is in front.
    pub(crate) fn end(&mut self, id: Xid, why: Option<Fault>, out: &mut Outbox, effects: &mut Effects<W, P>) {
        let Some(Row { held_back, end: Endpoint::Sending(sending), .. }) = self.rows.get_mut(&id) else {
            return;
        };
        if *held_back != HeldBack::No {
            sending.pending = Pending::End(why);
            return;
        }
        self.finish(id, why.as_ref(), out, effects);
    }

    /// Sends END. The receiver still has to say that all items were taken.
    fn finish(&mut self, id: Xid, why: Option<&Fault>, out: &mut Outbox, effects: &mut Effects<W, P>) {
        say_end(id, why, out);
        let said = self.flushes;
        let Some(row) = self.rows.get_mut(&id) else { return };
        let Endpoint::Sending(sending) = &mut row.end else { return };
        effects.closed.extend(sending.port.take());
        let finished = Finished { said, window: sending.send_credit.window(), oversize: sending.oversize };
        row.end = Endpoint::Finished(finished);
        self.live = self.live.saturating_sub(1);
        let next = self.unread_there.leave(id);
        self.resume_next(next, effects);
    }

    /// CREDIT came. For a channel that has ended it only tells what was taken.
    pub(crate) fn on_credit(
        &mut self,
        id: Xid,
        total: u64,
        ids: &Counter,
        effects: &mut Effects<W, P>,
    ) -> Result<(), String> {
        let freed = match self.rows.get_mut(&id) {
            Some(Row { held_back: HeldBack::ByIntroduction, .. }) => return Err(never_opened(id)),
            Some(Row { end: Endpoint::Sending(sending), held_back, .. }) => {
                sending.send_credit.allow(total);
                if *held_back == HeldBack::No {
                    sending.resume(effects);
                }
                take_below(&mut sending.oversize, sending.send_credit.taken())
            }
            Some(Row { end: Endpoint::Finished(finished), .. }) => {
                take_below(&mut finished.oversize, total.saturating_sub(finished.window))
            }
            Some(_) => return Err(format!("credit for channel {id} from the end that sends on it")),
            None => return self.has_been(id, ids),
        };
        self.free(freed, effects);
        Ok(())
    }

    /// STOP came: all items were taken, or nobody receives. What is left of a large item is given up, and END is sent if it
    /// was not.
    pub(crate) fn on_stop(
        &mut self,
        id: Xid,
        ids: &Counter,
        out: &mut Outbox,
        effects: &mut Effects<W, P>,
    ) -> Result<(), String> {
        match self.rows.get_mut(&id) {
            Some(Row { held_back: HeldBack::ByIntroduction, .. }) => return Err(never_opened(id)),
            Some(Row { end: Endpoint::Sending(sending), .. }) => {
                effects.closed.extend(sending.port.take());
                if let Some(large) = out.abandon(id) {
                    effects.segments.extend(large.segments);
                    large.introduces.iter().for_each(|&carried| self.recall(carried, effects));
                }
                let stopped = Fault::new(FaultCode::Cancelled, "its receiver was dropped");
                self.finish(id, Some(&stopped), out, effects);
            }
            Some(Row { end: Endpoint::Finished(_), .. }) => {}
            Some(_) => return Err(format!("stop of channel {id} from the end that sends on it")),
            None => return self.has_been(id, ids),
        }
        if let Some(Row { opened_here, end: Endpoint::Finished(finished), .. }) = self.rows.remove(&id) {
            self.free(finished.oversize, effects);
            self.closed(opened_here, finished.said, effects);
        }
        Ok(())
    }

    /// The receiver has taken an item of more than half a window.
    fn free(&mut self, oversize: Option<Oversize>, effects: &mut Effects<W, P>) {
        if let Some(Oversize { cost, .. }) = oversize {
            let next = self.unread_there.taken(cost);
            self.resume_next(next, effects);
        }
    }

    /// Resumes the port whose large item may begin now.
    fn resume_next(&mut self, next: Option<Xid>, effects: &mut Effects<W, P>) {
        if let Some(id) = next
            && let Some(Row { held_back: HeldBack::No, end: Endpoint::Sending(sending), .. }) =
                self.rows.get_mut(&id)
        {
            sending.resume(effects);
        }
    }

    fn has_been(&self, id: Xid, ids: &Counter) -> Result<(), String> {
        let highest = if self.side.owns(id) { ids.last() } else { self.highest };
        if id == 0 || id > highest { Err(never_opened(id)) } else { Ok(()) }
    }

    pub(crate) fn resume_awaiting(&mut self, effects: &mut Effects<W, P>) {
        for id in core::mem::take(&mut self.awaiting_channels) {
            if let Some(Row { end: Endpoint::Sending(sending), .. }) = self.rows.get_mut(&id) {
                sending.awaiting_channels = false;
                effects.resumed.extend(sending.port.clone());
            }
        }
    }
}

/// Takes the large item if it ends within what was taken.
pub(crate) fn take_below(oversize: &mut Option<Oversize>, taken: u64) -> Option<Oversize> {
    oversize.take_if(|oversize| oversize.end <= taken)
}

/// Queues END. A reason that does not fit a small frame is replaced by a fault that says so.
fn say_end(id: Xid, why: Option<&Fault>, out: &mut Outbox) {
    let too_large;
    let why = match why {
        Some(Fault { detail, .. }) if detail.len() > SMALL => {
            let message = format!("its error of {} bytes exceeds the limit of {SMALL}", detail.len());
            too_large = Fault::new(FaultCode::ReplyTooLarge, message);
            Some(&too_large)
        }
        why => why,
    };
    let end = why.map(|Fault { code, message, detail }| frame::End {
        code: *code,
        message: crate::session::limits::truncate(message),
        detail,
    });
    out.message(&Frame::End { channel: id, why: end });
}
