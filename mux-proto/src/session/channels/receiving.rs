//! The receiving half of a channel: items that wait, and how it ended.

use crate::session::channels::Channels;
use crate::session::channels::Endpoint;
use crate::session::channels::FlushCount;
use crate::session::channels::Items;
use crate::session::channels::Row;
use crate::session::channels::credit::ReceiveCredit;
use crate::session::channels::never_opened;
use crate::session::channels::sending::take_below;
use crate::session::channels::unread::Oversize;
use crate::session::effects::Effects;
use crate::session::outbox::Outbox;
use crate::thin_list::ThinList;
use crate::wire::fault::Fault;
use crate::wire::frame::Frame;
use crate::wire::handles::Half;
use crate::wire::handles::IncomingHandle;
use crate::wire::settings::Settings;
use crate::wire::xid::Xid;
use crate::wire::xid::XidMap;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec;

#[derive(Debug)]
pub(crate) struct Receiving<W> {
    pub(crate) receive_credit: ReceiveCredit,
    pub(crate) queue: VecDeque<Items>,
    pub(crate) waker: Option<W>,
    pub(crate) sender: SenderState,
    pub(crate) receiver: ReceiverState,
    pub(crate) stop: StopState,
    /// An item of more than half a window that was not taken yet.
    pub(crate) oversize: Option<Oversize>,
    /// CREDIT that the next flush has to say.
    pub(crate) grant: Option<u64>,
    /// Items waited when the connection closed. The receiver may hold them until it asks for more.
    pub(crate) keeps: bool,
}

/// What the sender at the other end has said.
#[derive(Debug)]
pub(crate) enum SenderState {
    /// Not END. A drain asks it to stop, and the next one waits for it no longer.
    Open { in_drain: bool },
    /// Not END, which still comes. A drain told the receiver this end in its place.
    Overdue(Ended),
    /// END, or it never will.
    Ended(Ended),
}

/// What becomes of the items that come.
#[derive(Debug)]
pub(crate) enum ReceiverState {
    Takes,
    /// The sender has to stop, and the receiver is told why when it has. What comes until then is taken, but nothing
    /// after an item that was refused: it would hide the gap.
    Stops {
        why: Fault,
        refuses: bool,
    },
    /// They are skipped.
    Gone,
}

/// Whether STOP was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopState {
    Unsaid,
    /// The next flush has to say it.
    Due,
    Said(FlushCount),
    /// Never: the peer does not know the channel.
    Unneeded,
}

impl StopState {
    /// `true` where it was not due, and is now.
    fn become_due(&mut self) -> bool {
        let unsaid = *self == StopState::Unsaid;
        if unsaid {
            *self = StopState::Due;
        }
        unsaid
    }

    fn is_to_be_said(self) -> bool {
        matches!(self, StopState::Unsaid | StopState::Due)
    }
}

impl<W> Receiving<W> {
    pub(crate) fn new(window: u64) -> Receiving<W> {
        Receiving {
            receive_credit: ReceiveCredit::new(window),
            queue: VecDeque::new(),
            waker: None,
            sender: SenderState::Open { in_drain: false },
            receiver: ReceiverState::Takes,
            stop: StopState::Unsaid,
            oversize: None,
            grant: None,
            keeps: false,
        }
    }

    /// END still comes.
    fn is_open(&self) -> bool {
        !matches!(self.sender, SenderState::Ended(_))
    }

    /// The receiver was not told an end.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.sender, SenderState::Open { .. })
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.receiver, ReceiverState::Gone)
    }

    /// END came.
    fn end(&mut self, why: Option<Fault>) {
        let why = why.map(|why| self.take_reason().unwrap_or(why));
        self.sender = match core::mem::replace(&mut self.sender, SenderState::Ended(Ended::Closed)) {
            SenderState::Open { .. } => SenderState::Ended(Ended::Said(why)),
            SenderState::Overdue(told) | SenderState::Ended(told) => SenderState::Ended(told),
        };
    }

    fn skips_items(&self) -> bool {
        let refuses =
            matches!(self.receiver, ReceiverState::Gone | ReceiverState::Stops { refuses: true, .. });
        refuses || matches!(self.sender, SenderState::Overdue(_))
    }

    /// The next flush has something to say.
    pub(crate) fn has_due(&self) -> bool {
        self.stop == StopState::Due || self.grant.is_some()
    }

    /// Why this end had the sender stop.
    pub(crate) fn take_reason(&mut self) -> Option<Fault> {
        match core::mem::replace(&mut self.receiver, ReceiverState::Takes) {
            ReceiverState::Stops { why, .. } => Some(why),
            other => {
                self.receiver = other;
                None
            }
        }
    }

    /// The connection is over: no END comes any more, and no STOP goes.
    pub(crate) fn close(&mut self) {
        let ended = match core::mem::replace(&mut self.sender, SenderState::Ended(Ended::Closed)) {
            SenderState::Open { .. } => Ended::Closed,
            SenderState::Overdue(told) | SenderState::Ended(told) => told,
        };
        self.sender = SenderState::Ended(ended);
        if self.stop.is_to_be_said() {
            self.stop = StopState::Said(0);
        }
    }
}

/// How a channel ended for its receiver.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// By its sender, who had no more to say, or says why.
    Said(Option<Fault>),
    /// With the connection.
    Closed,
}

/// What a receiver finds.
#[derive(Debug, PartialEq)]
pub enum Taken {
    Items(VecDeque<Items>),
    Ended(Ended),
    Nothing,
}

impl<W, P: Clone> Channels<W, P> {
    pub(crate) fn is_receiving(&self, id: Xid) -> bool {
        matches!(self.rows.get(&id), Some(Row { end: Endpoint::Receiving(_), .. }))
    }

    pub(crate) fn receiving(&mut self, id: Xid) -> Option<&mut Receiving<W>> {
        match self.rows.get_mut(&id) {
            Some(Row { end: Endpoint::Receiving(receiving), .. }) => Some(receiving),
            _ => None,
        }
    }

    /// Items came, whose carried channels have been opened. Returns whom to wake.
    pub(crate) fn on_items(
        &mut self,
        id: Xid,
        items: Items,
        ours: &Settings,
        out: &mut Outbox,
        effects: &mut Effects<W, P>,
    ) -> Result<Option<W>, String> {
        let Some(Row { end: Endpoint::Receiving(receiving), .. }) = self.rows.get_mut(&id) else {
            return Err(never_opened(id));
        };
        if !receiving.is_open() {
            return Err(never_opened(id));
        }
        let cost = items.cost();
        if !receiving.receive_credit.arrive_item(cost) {
            return Err(format!("an item without credit on channel {id}"));
        }
        if receiving.skips_items() {
            effects.segments.push(items.values);
            self.discard(items.carried, out, effects);
            return Ok(None);
        }
        if receiving.receive_credit.is_oversize(cost) {
            if !self.unread.has_room(cost, ours.max_unread) {
                return Err(format!("more than {} bytes of large items unread", ours.max_unread));
            }
            self.unread.add(cost);
            receiving.oversize = Some(Oversize { end: receiving.receive_credit.arrived(), cost });
        }
        receiving.queue.push_back(items);
        Ok(receiving.waker.take())
    }

    /// END came. Returns whom to wake.
    pub(crate) fn on_end(
        &mut self,
        id: Xid,
        why: Option<Fault>,
        out: &mut Outbox,
        effects: &mut Effects<W, P>,
    ) -> Result<Option<W>, String> {
        let Some(receiving) = self.receiving(id).filter(|receiving| receiving.is_open()) else {
            return Err(never_opened(id));
        };
        let (was_live, is_gone) = (receiving.is_live(), receiving.is_gone());
        let waker = if was_live { receiving.waker.take() } else { None };
        receiving.end(why);
        self.live = self.live.saturating_sub(u64::from(was_live));
        if is_gone {
            self.settle(id, out, effects);
        }
        Ok(waker)
    }

    /// Removes a channel whose END has come, and whose receiver has taken all items or is gone. Sends STOP if it was not sent.
    fn settle(&mut self, id: Xid, out: &mut Outbox, effects: &mut Effects<W, P>) {
        let Some(Row { opened_here, end: Endpoint::Receiving(receiving), .. }) = self.rows.remove(&id) else {
            return;
        };
        if let Some(Oversize { cost, .. }) = receiving.oversize {
            self.unread.release(cost);
        }
        self.keeping -= usize::from(receiving.keeps);
        match receiving.stop {
            StopState::Unneeded => {}
            StopState::Said(said) => self.closed(opened_here, said, effects),
            StopState::Unsaid | StopState::Due => {
                out.message(&Frame::Stop { channel: id });
                self.closed(opened_here, self.flushes, effects);
            }
        }
    }

    /// Takes all items that have come, or how the channel ended.
    pub(crate) fn take(&mut self, id: Xid, out: &mut Outbox, effects: &mut Effects<W, P>) -> Taken {
        let Some(receiving) = self.receiving(id) else { return Taken::Ended(Ended::Closed) };
        if !receiving.queue.is_empty() {
            return Taken::Items(core::mem::take(&mut receiving.queue));
        }
        match &receiving.sender {
            SenderState::Open { .. } => Taken::Nothing,
            SenderState::Overdue(told) => {
                let told = told.clone();
                receiving.receiver = ReceiverState::Gone;
                Taken::Ended(told)
            }
            SenderState::Ended(ended) => {
                let ended = ended.clone();
                self.settle(id, out, effects);
                Taken::Ended(ended)
            }
        }
    }

    /// Whom to wake when something comes. Returns the one before.
    pub(crate) fn set_waker(&mut self, id: Xid, waker: W) -> Option<W> {
        self.receiving(id)?.waker.replace(waker)
    }

    pub(crate) fn waker(&self, id: Xid) -> Option<&W> {
        match self.rows.get(&id) {
            Some(Row { end: Endpoint::Receiving(receiving), .. }) => receiving.waker.as_ref(),
            _ => None,
        }
    }

    /// The consumer took items that cost so much.
    pub(crate) fn consume(&mut self, id: Xid, cost: u64) {
        let Some(Row { end: Endpoint::Receiving(receiving), .. }) = self.rows.get_mut(&id) else { return };
        let grant = receiving.receive_credit.consume(cost);
        let freed = take_below(&mut receiving.oversize, receiving.receive_credit.consumed());
        if let Some(Oversize { cost, .. }) = freed {
            self.unread.release(cost);
        }
        let Some(total) = grant.filter(|_| !receiving.is_gone()) else { return };
        // The peer has still to know that a large item was taken, also of a channel that has ended.
        let matters = receiving.is_live() || freed.is_some() && receiving.stop.is_to_be_said();
        if matters && receiving.grant.replace(total).is_none() {
            self.is_due(id);
        }
    }

    /// The receiver is gone. The row stays until END has come.
    pub(crate) fn stop(&mut self, id: Xid, out: &mut Outbox, effects: &mut Effects<W, P>) {
        self.discard(vec![IncomingHandle { id, half: Half::Receiving }].into(), out, effects);
    }

    /// Drops the receiver. Returns the halves that its untaken items carry.
    pub(crate) fn drop_receiver(
        &mut self,
        id: Xid,
        out: &mut Outbox,
        effects: &mut Effects<W, P>,
    ) -> ThinList<IncomingHandle> {
        let Some(receiving) = self.receiving(id) else { return ThinList::new() };
        let queue = core::mem::take(&mut receiving.queue);
        effects.wakers.extend(receiving.waker.take());
        receiving.receiver = ReceiverState::Gone;
        let oversize = receiving.oversize.take();
        if !receiving.is_open() {
            self.settle(id, out, effects);
        } else if receiving.is_live() && receiving.stop.become_due() {
            self.is_due(id);
        }
        if let Some(Oversize { cost, .. }) = oversize {
            self.unread.release(cost);
        }
        let mut carried = ThinList::new();
        for items in queue {
            effects.segments.push(items.values);
            carried.extend(items.carried);
        }
        carried
    }

    /// An item was refused, and so are those behind it, as with [`refuse`](Channels::refuse).
    pub(crate) fn refuse_items(&mut self, id: Xid, why: Fault) -> Result<(), String> {
        if self.receiving(id).is_none_or(|receiving| !receiving.is_open()) {
            return Err(never_opened(id));
        }
        self.stop_sender(id, why, true);
        Ok(())
    }

    /// The sender has to stop, and the receiver is told `why` when it has.
    pub(crate) fn refuse(&mut self, id: Xid, why: Fault) {
        self.stop_sender(id, why, false);
    }

    fn stop_sender(&mut self, id: Xid, why: Fault, refuses: bool) {
        let Some(receiving) = self.receiving(id).filter(|receiving| receiving.is_live()) else { return };
        match &mut receiving.receiver {
            ReceiverState::Takes => receiving.receiver = ReceiverState::Stops { why, refuses },
            ReceiverState::Stops { refuses: before, .. } => return *before |= refuses,
            ReceiverState::Gone => return,
        }
        if receiving.stop.become_due() {
            self.is_due(id);
        }
    }

    /// The connection is closed: keeps what has come and is not taken, and returns how much it is, in bytes.
    pub(crate) fn keep_untaken(&mut self) -> u64 {
        let mut untaken = 0_u64;
        for receiving in receiving_of(&mut self.rows).filter(|receiving| !receiving.queue.is_empty()) {
            receiving.keeps = true;
            self.keeping += 1;
            untaken = receiving.queue.iter().map(Items::cost).fold(untaken, u64::saturating_add);
        }
        untaken
    }

    /// Whether a receiver is there that holds some of what was kept, or can take it.
    pub(crate) fn keeps_untaken(&self) -> bool {
        self.keeping > 0
    }

    /// Drops what was kept: a receiver is told that its connection is closed, in place of how its sender ended.
    pub(crate) fn drop_untaken(&mut self) {
        self.keeping = 0;
        for receiving in receiving_of(&mut self.rows).filter(|receiving| receiving.keeps) {
            receiving.keeps = false;
            receiving.queue = VecDeque::new();
            receiving.sender = SenderState::Ended(Ended::Closed);
        }
    }
}

fn receiving_of<W, P>(rows: &mut XidMap<Row<W, P>>) -> impl Iterator<Item = &mut Receiving<W>> {
    rows.values_mut().filter_map(|row| match &mut row.end {
        Endpoint::Receiving(receiving) => Some(receiving),
        Endpoint::Sending(_) | Endpoint::Finished(_) => None,
    })
}
