//! The receiving half of a channel: items that wait, and how it ended.

use crate::session::channels::Channels;
use crate::session::channels::Departure;
use crate::session::channels::Endpoint;
use crate::session::channels::Items;
use crate::session::channels::Row;
use crate::session::channels::UNKNOWN_THERE;
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
    pub(crate) ended: Option<Ended>,
    /// The receiver has gone: what still comes is skipped.
    pub(crate) dropped: bool,
    /// Why this end had the sender stop, where its receiver is still there.
    pub(crate) stopped: Option<Fault>,
    /// An item was refused: no further one is taken.
    pub(crate) refused: bool,
    /// How a drain waits for its end.
    pub(crate) drain_wait: DrainWait,
    /// An item of more than half a window that was not taken yet.
    pub(crate) oversize: Option<Oversize>,
    /// CREDIT and STOP that the next flush has to say.
    pub(crate) grant: Option<u64>,
    pub(crate) stop: bool,
    /// When STOP was queued.
    pub(crate) stop_said: Option<Departure>,
    /// Items waited when the connection closed. The receiver may hold them until it asks for more.
    pub(crate) keeps: bool,
}

/// How a drain waits for the END of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrainWait {
    First,
    /// It has waited before, and the sender was told to stop.
    Repeated,
    /// It waits no longer. The receiver was told the end in the sender's place, whose own still comes.
    Over,
}

impl<W> Receiving<W> {
    pub(crate) fn new(window: u64) -> Receiving<W> {
        Receiving {
            receive_credit: ReceiveCredit::new(window),
            queue: VecDeque::new(),
            waker: None,
            ended: None,
            dropped: false,
            stopped: None,
            refused: false,
            drain_wait: DrainWait::First,
            oversize: None,
            grant: None,
            stop: false,
            stop_said: None,
            keeps: false,
        }
    }

    /// The sender has not said END.
    fn is_open(&self) -> bool {
        self.ended.is_none() || self.drain_wait == DrainWait::Over
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
        // After one that was refused, a further one would hide the gap.
        if receiving.dropped || receiving.refused || receiving.drain_wait == DrainWait::Over {
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
        let mut waker = None;
        if core::mem::replace(&mut receiving.drain_wait, DrainWait::First) != DrainWait::Over {
            let why = why.map(|why| receiving.stopped.take().unwrap_or(why));
            receiving.ended = Some(Ended::Said(why));
            waker = receiving.waker.take();
            self.live = self.live.saturating_sub(1);
        }
        if self.receiving(id).is_some_and(|receiving| receiving.dropped) {
            self.settle(id, out, effects);
        }
        Ok(waker)
    }

    /// END has come, and the receiver has taken all, or is gone: says so where that was not said, and forgets the channel.
    fn settle(&mut self, id: Xid, out: &mut Outbox, effects: &mut Effects<W, P>) {
        let Some(Row { opened_here, end: Endpoint::Receiving(receiving), .. }) = self.rows.remove(&id) else {
            return;
        };
        if let Some(Oversize { cost, .. }) = receiving.oversize {
            self.unread.release(cost);
        }
        self.keeping -= usize::from(receiving.keeps);
        match receiving.stop_said {
            Some(UNKNOWN_THERE) => {}
            Some(said) => self.closed(opened_here, said, effects),
            None => {
                out.message(&Frame::Stop { channel: id });
                self.closed(opened_here, self.handles, effects);
            }
        }
    }

    /// All that is there for the receiver.
    pub(crate) fn take(&mut self, id: Xid, out: &mut Outbox, effects: &mut Effects<W, P>) -> Taken {
        let Some(receiving) = self.receiving(id) else { return Taken::Ended(Ended::Closed) };
        if !receiving.queue.is_empty() {
            return Taken::Items(core::mem::take(&mut receiving.queue));
        }
        let Some(ended) = receiving.ended.clone() else { return Taken::Nothing };
        receiving.dropped = true;
        if receiving.drain_wait != DrainWait::Over {
            self.settle(id, out, effects);
        }
        Taken::Ended(ended)
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
        let Some(total) = grant.filter(|_| !receiving.dropped) else { return };
        // The peer has still to know that a large item was taken, also of a channel that has ended.
        let matters = receiving.ended.is_none() || freed.is_some() && receiving.stop_said.is_none();
        if matters && receiving.grant.replace(total).is_none() {
            self.is_due(id);
        }
    }

    /// The receiver is gone. The row stays until END has come.
    pub(crate) fn stop(&mut self, id: Xid, out: &mut Outbox, effects: &mut Effects<W, P>) {
        self.discard(vec![IncomingHandle { id, half: Half::Receiving }].into(), out, effects);
    }

    /// Returns the halves in items that wait for it.
    pub(crate) fn drop_receiver(
        &mut self,
        id: Xid,
        out: &mut Outbox,
        effects: &mut Effects<W, P>,
    ) -> ThinList<IncomingHandle> {
        let Some(receiving) = self.receiving(id) else { return ThinList::new() };
        let queue = core::mem::take(&mut receiving.queue);
        effects.wakers.extend(receiving.waker.take());
        receiving.dropped = true;
        let oversize = receiving.oversize.take();
        if !receiving.is_open() {
            self.settle(id, out, effects);
        } else if receiving.drain_wait != DrainWait::Over && receiving.stop_said.is_none() {
            receiving.stop = true;
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

    /// As [`refuse`](Channels::refuse), where there is such a channel.
    pub(crate) fn refuse_items(&mut self, id: Xid, why: Fault) -> Result<(), String> {
        let Some(receiving) = self.receiving(id).filter(|it| it.is_open()) else {
            return Err(never_opened(id));
        };
        receiving.refused = true;
        self.refuse(id, why);
        Ok(())
    }

    /// What came on it is refused: its receiver is told `why`, its sender has to stop.
    pub(crate) fn refuse(&mut self, id: Xid, why: Fault) {
        let open = |it: &&mut Receiving<W>| it.ended.is_none() && !it.dropped && it.stopped.is_none();
        let Some(receiving) = self.receiving(id).filter(open) else { return };
        receiving.stopped = Some(why);
        if receiving.stop_said.is_none() {
            receiving.stop = true;
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
            receiving.ended = Some(Ended::Closed);
        }
    }
}

fn receiving_of<W, P>(rows: &mut XidMap<Row<W, P>>) -> impl Iterator<Item = &mut Receiving<W>> {
    rows.values_mut().filter_map(|row| match &mut row.end {
        Endpoint::Receiving(receiving) => Some(receiving),
        Endpoint::Sending(_) | Endpoint::Finished(_) => None,
    })
}
