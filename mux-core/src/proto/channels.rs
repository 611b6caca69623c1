//! Open channels: a row for the half that is here, with its credit and what waits for it.
//!
//! A row begins with the message that carries the other half. It ends when both END and STOP have gone or come: the
//! sending half says END, the receiving half STOP, once all was taken or nobody receives any more.

use super::after::After;
use super::carried::{Arrived, Half, Leaving};
use super::credit::{Granter, Purse};
use super::fault::{Fault, FaultCode};
use super::frame::{self, Frame};
use super::hello::{SMALL, Settings};
use super::rare::Rare;
use super::unread::{Oversize, Unread, UnreadThere};
use super::xid::{Counter, Side, Xid, XidMap};
use crate::outbox::Outbox;
use bytes::Bytes;
use std::collections::VecDeque;

/// What a carried half costs its item beside its bytes: the row that it makes at the other end.
const CARRIED_COST: u64 = 256;

/// What a frame of items costs beside its bytes: its place in the receiver's queue.
const FRAME_COST: u64 = 128;

/// What an item, or several in one frame, spends of its channel's credit.
pub(crate) fn item_cost(len: usize, carried: usize) -> u64 {
    FRAME_COST + len as u64 + CARRIED_COST * carried as u64
}

/// Items that came in one frame.
#[derive(Debug, PartialEq)]
pub(crate) struct Items {
    /// So many values, one after the other.
    pub(crate) values: Bytes,
    pub(crate) count: u32,
    pub(crate) carried: Rare<Arrived>,
}

impl Items {
    pub(crate) fn cost(&self) -> u64 {
        item_cost(self.values.len(), self.carried.len())
    }
}

/// How a channel ended for its receiver.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
    /// By its sender, who had no more to say, or says why.
    Said(Option<Fault>),
    /// With the connection.
    Closed,
}

/// What a receiver finds.
#[derive(Debug, PartialEq)]
pub(crate) enum Taken {
    Items(VecDeque<Items>),
    Ended(Ended),
    Nothing,
}

/// Why items cannot go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// No credit, or a large message is in front. The port will be resumed.
    Wait,
    /// The receiver has gone.
    Stopped,
}

#[derive(Debug)]
struct Row<W, P> {
    opened_here: bool,
    hold: Hold,
    end: Way<W, P>,
}

/// The large message in front, which nothing overtakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    None,
    /// It carries the other half: the peer does not know the channel yet.
    Introduction,
    Item,
}

#[derive(Debug)]
enum Way<W, P> {
    Sending(Sending<P>),
    /// A sending half whose END has gone, and whose receiver has not said STOP.
    Finished(Finished),
    Receiving(Receiving<W>),
}

#[derive(Debug)]
struct Finished {
    /// When END was queued.
    said: Departure,
    window: u64,
    oversize: Option<Oversize>,
}

/// A time in the outbox: how often the writer had taken what was queued.
type Departure = u64;

/// In place of when STOP was queued: the peer does not know the channel, so there is none to say.
const UNKNOWN_THERE: Departure = Departure::MAX;

#[derive(Debug)]
struct Sending<P> {
    purse: Purse,
    /// Absent until the half that came with a message has been decoded.
    port: Option<P>,
    /// What the items cost that wait for the port to be resumed.
    waits: Option<u64>,
    /// An item of more than half a window that the receiver may not have taken.
    oversize: Option<Oversize>,
    /// It is listed among those that wait for the peer to take more channels.
    crowded: bool,
    /// What END will say once nothing is in front.
    ending: Option<Option<Fault>>,
}

#[derive(Debug)]
struct Receiving<W> {
    granter: Granter,
    queue: VecDeque<Items>,
    waker: Option<W>,
    ended: Option<Ended>,
    /// The receiver has gone: what still comes is skipped.
    dropped: bool,
    /// Why this end had the sender stop, where its receiver is still there.
    stopped: Option<Fault>,
    /// An item was refused: no further one is taken.
    refused: bool,
    /// How a drain waits for its end.
    patience: Patience,
    /// An item of more than half a window that was not taken yet.
    oversize: Option<Oversize>,
    /// CREDIT and STOP that the next flush has to say.
    grant: Option<u64>,
    stop: bool,
    /// When STOP was queued.
    stop_said: Option<Departure>,
    /// Items waited when the connection closed. The receiver may hold them until it asks for more.
    keeps: bool,
}

/// How a drain waits for the END of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Fresh,
    /// It has waited before, and the sender was told to stop.
    Spent,
    /// It waits no longer. The receiver was told the end in the sender's place, whose own still comes.
    Gone,
}

impl<W> Receiving<W> {
    /// The sender has not said END.
    fn is_open(&self) -> bool {
        self.ended.is_none() || self.patience == Patience::Gone
    }
}

#[derive(Debug)]
pub(crate) struct Channels<W, P> {
    rows: XidMap<Row<W, P>>,
    side: Side,
    /// Those whose END has neither gone nor come.
    live: u64,
    /// Those whose END or STOP has neither gone nor come, by who opened them.
    opened_here: u64,
    opened_there: u64,
    /// Channels of the peer that count as open until this end's END or STOP has left the outbox. Otherwise a peer that
    /// reads nothing could have any number of them wait for it.
    leaving: u64,
    /// How often the writer has taken what was queued.
    departures: Departure,
    /// Items of more than half a window that were not taken yet, here and at the peer.
    unread: Unread,
    /// The peer takes a further channel since it was last asked.
    room_made: bool,
    unread_there: UnreadThere,
    /// The highest id that the peer has given a channel.
    highest: Xid,
    /// Rows with something for the next flush to say.
    due: Vec<Xid>,
    /// Rows whose items carry more channels than the peer takes now, each once.
    crowded: Vec<Xid>,
    /// Receivers for which items waited when the connection closed, and which are there.
    keeping: usize,
}

impl<W, P: Clone> Channels<W, P> {
    pub(crate) fn new(side: Side) -> Channels<W, P> {
        Channels {
            rows: XidMap::default(),
            side,
            live: 0,
            opened_here: 0,
            opened_there: 0,
            leaving: 0,
            departures: 0,
            unread: Unread::default(),
            room_made: false,
            unread_there: UnreadThere::default(),
            highest: 0,
            due: Vec::new(),
            crowded: Vec::new(),
            keeping: 0,
        }
    }

    // Opening.

    pub(crate) fn has_room(&self, more: usize, peer: &Settings) -> bool {
        more == 0 || self.opened_here.saturating_add(more as u64) <= peer.max_channels
    }

    /// Opens a channel for each half that leaves with a message which is about to be queued.
    pub(crate) fn open(
        &mut self,
        leaving: Rare<Leaving<P>>,
        ids: &mut Counter,
        (ours, peer): (&Settings, &Settings),
        after: &mut After<W, P>,
    ) -> Rare<Arrived> {
        let open = |Leaving { half, port }: Leaving<P>| {
            let id = ids.take();
            let end = match half {
                Half::Receiving => Way::sending(peer.window, Some(port.clone())),
                Half::Sending => Way::receiving(ours.window),
            };
            self.rows.insert(id, Row { opened_here: true, hold: Hold::None, end });
            self.live += 1;
            self.opened_here += 1;
            after.attached.push((port, id));
            Arrived { id, half }
        };
        leaving.into_iter().map(open).collect()
    }

    /// Opens the channels whose halves have come with a message. An `Err` tells how the peer oversteps.
    pub(crate) fn arrive(
        &mut self,
        carried: &[Arrived],
        (ours, peer): (&Settings, &Settings),
        is_taken: impl Fn(Xid) -> bool,
    ) -> Result<(), String> {
        if self.opened_there.saturating_add(carried.len() as u64) > ours.max_channels {
            return Err(format!("more than {} channels open", ours.max_channels));
        }
        for &Arrived { id, half } in carried {
            if !self.side.other().owns(id) || self.rows.contains_key(&id) || is_taken(id) {
                return Err(format!("channel {id} is not one that the peer may open"));
            }
            let end = match half {
                Half::Receiving => Way::receiving(ours.window),
                Half::Sending => Way::sending(peer.window, None),
            };
            self.rows.insert(id, Row { opened_here: false, hold: Hold::None, end });
            self.live += 1;
            self.opened_there += 1;
            self.highest = self.highest.max(id);
        }
        Ok(())
    }

    /// Nothing of these may go before the message that carries their other halves.
    pub(crate) fn hold(&mut self, carried: &[Arrived]) {
        for arrived in carried {
            if let Some(row) = self.rows.get_mut(&arrived.id) {
                row.hold = Hold::Introduction;
            }
        }
    }

    /// The large message in front of it has gone whole.
    pub(crate) fn release(&mut self, id: Xid, out: &mut Outbox, after: &mut After<W, P>) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.hold = Hold::None;
        match &mut row.end {
            Way::Receiving(receiving) if receiving.stop || receiving.grant.is_some() => self.is_due(id),
            Way::Receiving(_) | Way::Finished(_) => {}
            Way::Sending(sending) => match sending.ending.take() {
                Some(why) => self.end(id, why, out, after),
                None => sending.resume(after),
            },
        }
    }

    /// The message that was to carry the other half has not gone, and never will: the peer knows nothing of the channel.
    pub(crate) fn recall(&mut self, id: Xid, after: &mut After<W, P>) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        let mut forgotten = true;
        match &mut row.end {
            Way::Sending(sending) => after.closed.extend(sending.port.take()),
            Way::Receiving(receiving) => {
                let gone = Fault::new(FaultCode::Cancelled, "the message that carried it was not sent");
                receiving.ended = Some(Ended::Said(Some(gone)));
                receiving.stop_said = Some(UNKNOWN_THERE);
                after.wakers.extend(receiving.waker.take());
                forgotten = receiving.dropped;
            }
            Way::Finished(_) => return,
        }
        self.live = self.live.saturating_sub(1);
        self.opened_here = self.opened_here.saturating_sub(1);
        if forgotten {
            self.rows.remove(&id);
        }
        self.resume_crowded(after);
    }

    /// Halves that came with a message which nobody will decode.
    pub(crate) fn discard(&mut self, carried: Rare<Arrived>, out: &mut Outbox, after: &mut After<W, P>) {
        // Items that wait carry halves themselves, whose items do, and so on: a peer may go so deep that
        // a recursion overflows the stack.
        let mut carried = VecDeque::from_iter(carried);
        while let Some(Arrived { id, half }) = carried.pop_front() {
            match half {
                Half::Receiving => carried.extend(self.drop_receiver(id, out, after)),
                Half::Sending => self.end(id, Some(undecoded()), out, after),
            }
        }
    }

    // The sending half.

    /// The half that came with a message has got its port; `false` where its receiver has gone already.
    pub(crate) fn bind(&mut self, id: Xid, port: P) -> bool {
        match self.rows.get_mut(&id) {
            Some(Row { end: Way::Sending(sending), .. }) => {
                sending.port = Some(port);
                true
            }
            _ => false,
        }
    }

    /// Whether items may be taken from a port now, where they have so many bytes and carry so many channels.
    pub(crate) fn may_send(
        &mut self,
        id: Xid,
        (len, carried): (usize, usize),
        peer: &Settings,
        after: &mut After<W, P>,
    ) -> Result<(), NotSent> {
        let room = self.has_room(carried, peer);
        let Some(Row { hold, end: Way::Sending(sending), .. }) = self.rows.get_mut(&id) else {
            return Err(NotSent::Stopped);
        };
        let cost = item_cost(len, carried);
        let held = *hold != Hold::None;
        if !held && room && sending.purse.has(cost) {
            if !sending.purse.is_oversize(cost) || self.unread_there.may_begin(id, cost, peer.max_unread) {
                return Ok(());
            }
            sending.waits = Some(cost);
            return Err(NotSent::Wait);
        }
        sending.waits = Some(cost);
        if !room && !held && !std::mem::replace(&mut sending.crowded, true) {
            self.crowded.push(id);
        }
        // Its turn would hold up others, who may have to end before it can begin.
        let next = self.unread_there.leave(id);
        self.resume_next(next, after);
        Err(NotSent::Wait)
    }

    /// Counts items that go now. A large one holds all that comes behind it on its channel.
    pub(crate) fn spend(&mut self, id: Xid, cost: u64, large: bool, after: &mut After<W, P>) {
        let Some(Row { hold, end: Way::Sending(sending), .. }) = self.rows.get_mut(&id) else { return };
        let end = sending.purse.spend(cost);
        *hold = if large { Hold::Item } else { Hold::None };
        if sending.purse.is_oversize(cost) {
            sending.oversize = Some(Oversize { end, cost });
            let next = self.unread_there.begin(id, cost);
            self.resume_next(next, after);
        }
    }

    /// The sender has no more to say. END goes behind what is in front.
    pub(crate) fn end(&mut self, id: Xid, why: Option<Fault>, out: &mut Outbox, after: &mut After<W, P>) {
        let Some(Row { hold, end: Way::Sending(sending), .. }) = self.rows.get_mut(&id) else { return };
        if *hold != Hold::None {
            sending.ending = Some(why);
            return;
        }
        self.finish(id, why.as_ref(), out, after);
    }

    /// END goes now. The receiver has still to say that all was taken.
    fn finish(&mut self, id: Xid, why: Option<&Fault>, out: &mut Outbox, after: &mut After<W, P>) {
        say_end(id, why, out);
        let said = self.departures;
        let Some(row) = self.rows.get_mut(&id) else { return };
        let Way::Sending(sending) = &mut row.end else { return };
        after.closed.extend(sending.port.take());
        let finished = Finished { said, window: sending.purse.window(), oversize: sending.oversize };
        row.end = Way::Finished(finished);
        self.live = self.live.saturating_sub(1);
        let next = self.unread_there.leave(id);
        self.resume_next(next, after);
    }

    /// CREDIT came. For a channel that ended meanwhile it only tells what was taken.
    pub(crate) fn on_credit(
        &mut self,
        id: Xid,
        total: u64,
        ids: &Counter,
        after: &mut After<W, P>,
    ) -> Result<(), String> {
        let freed = match self.rows.get_mut(&id) {
            Some(Row { hold: Hold::Introduction, .. }) => return Err(never_opened(id)),
            Some(Row { end: Way::Sending(sending), hold, .. }) => {
                sending.purse.allow(total);
                if *hold == Hold::None {
                    sending.resume(after);
                }
                take_below(&mut sending.oversize, sending.purse.taken())
            }
            Some(Row { end: Way::Finished(finished), .. }) => {
                take_below(&mut finished.oversize, total.saturating_sub(finished.window))
            }
            Some(_) => return Err(format!("credit for channel {id} from the end that sends on it")),
            None => return self.has_been(id, ids),
        };
        self.free(freed, after);
        Ok(())
    }

    /// STOP came: all was taken, or nobody receives. What was under way is given up, and END goes at once where it has
    /// not gone.
    pub(crate) fn on_stop(
        &mut self,
        id: Xid,
        ids: &Counter,
        out: &mut Outbox,
        after: &mut After<W, P>,
    ) -> Result<(), String> {
        match self.rows.get_mut(&id) {
            Some(Row { hold: Hold::Introduction, .. }) => return Err(never_opened(id)),
            Some(Row { end: Way::Sending(sending), .. }) => {
                after.closed.extend(sending.port.take());
                if let Some(large) = out.abandon(id) {
                    after.segments.extend(large.segments);
                    large.introduces.iter().for_each(|&carried| self.recall(carried, after));
                }
                let stopped = Fault::new(FaultCode::Cancelled, "its receiver was dropped");
                self.finish(id, Some(&stopped), out, after);
            }
            Some(Row { end: Way::Finished(_), .. }) => {}
            Some(_) => return Err(format!("stop of channel {id} from the end that sends on it")),
            None => return self.has_been(id, ids),
        }
        if let Some(Row { opened_here, end: Way::Finished(finished), .. }) = self.rows.remove(&id) {
            self.free(finished.oversize, after);
            self.closed(opened_here, finished.said, after);
        }
        Ok(())
    }

    /// The receiver has taken an item of more than half a window.
    fn free(&mut self, oversize: Option<Oversize>, after: &mut After<W, P>) {
        if let Some(Oversize { cost, .. }) = oversize {
            let next = self.unread_there.taken(cost);
            self.resume_next(next, after);
        }
    }

    /// Has the port looked at again whose item may begin now.
    fn resume_next(&mut self, next: Option<Xid>, after: &mut After<W, P>) {
        if let Some(id) = next
            && let Some(Row { hold: Hold::None, end: Way::Sending(sending), .. }) = self.rows.get_mut(&id)
        {
            sending.resume(after);
        }
    }

    /// The writer took what was queued.
    pub(crate) fn left_outbox(&mut self) {
        self.departures += 1;
        self.opened_there = self.opened_there.saturating_sub(std::mem::take(&mut self.leaving));
    }

    fn has_been(&self, id: Xid, ids: &Counter) -> Result<(), String> {
        let highest = if self.side.owns(id) { ids.last() } else { self.highest };
        if id == 0 || id > highest { Err(never_opened(id)) } else { Ok(()) }
    }

    // The receiving half.

    pub(crate) fn is_receiving(&self, id: Xid) -> bool {
        matches!(self.rows.get(&id), Some(Row { end: Way::Receiving(_), .. }))
    }

    fn receiving(&mut self, id: Xid) -> Option<&mut Receiving<W>> {
        match self.rows.get_mut(&id) {
            Some(Row { end: Way::Receiving(receiving), .. }) => Some(receiving),
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
        after: &mut After<W, P>,
    ) -> Result<Option<W>, String> {
        let Some(Row { end: Way::Receiving(receiving), .. }) = self.rows.get_mut(&id) else {
            return Err(never_opened(id));
        };
        if !receiving.is_open() {
            return Err(never_opened(id));
        }
        let cost = items.cost();
        if !receiving.granter.arrive_item(cost) {
            return Err(format!("an item without credit on channel {id}"));
        }
        // After one that was refused, a further one would hide the gap.
        if receiving.dropped || receiving.refused || receiving.patience == Patience::Gone {
            after.segments.push(items.values);
            self.discard(items.carried, out, after);
            return Ok(None);
        }
        if receiving.granter.is_oversize(cost) {
            if !self.unread.has_room(cost, ours.max_unread) {
                return Err(format!("more than {} bytes of large items unread", ours.max_unread));
            }
            self.unread.add(cost);
            receiving.oversize = Some(Oversize { end: receiving.granter.arrived(), cost });
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
        after: &mut After<W, P>,
    ) -> Result<Option<W>, String> {
        let Some(receiving) = self.receiving(id).filter(|receiving| receiving.is_open()) else {
            return Err(never_opened(id));
        };
        let mut waker = None;
        if std::mem::replace(&mut receiving.patience, Patience::Fresh) != Patience::Gone {
            let why = why.map(|why| receiving.stopped.take().unwrap_or(why));
            receiving.ended = Some(Ended::Said(why));
            waker = receiving.waker.take();
            self.live = self.live.saturating_sub(1);
        }
        if self.receiving(id).is_some_and(|receiving| receiving.dropped) {
            self.settle(id, out, after);
        }
        Ok(waker)
    }

    /// END has come, and the receiver has taken all, or is gone: says so where that was not said, and forgets the channel.
    fn settle(&mut self, id: Xid, out: &mut Outbox, after: &mut After<W, P>) {
        let Some(Row { opened_here, end: Way::Receiving(receiving), .. }) = self.rows.remove(&id) else {
            return;
        };
        if let Some(Oversize { cost, .. }) = receiving.oversize {
            self.unread.release(cost);
        }
        self.keeping -= usize::from(receiving.keeps);
        match receiving.stop_said {
            Some(UNKNOWN_THERE) => {}
            Some(said) => self.closed(opened_here, said, after),
            None => {
                out.message(&Frame::Stop { channel: id });
                self.closed(opened_here, self.departures, after);
            }
        }
    }

    /// All that is there for the receiver.
    pub(crate) fn take(&mut self, id: Xid, out: &mut Outbox, after: &mut After<W, P>) -> Taken {
        let Some(receiving) = self.receiving(id) else { return Taken::Ended(Ended::Closed) };
        if !receiving.queue.is_empty() {
            return Taken::Items(std::mem::take(&mut receiving.queue));
        }
        let Some(ended) = receiving.ended.clone() else { return Taken::Nothing };
        receiving.dropped = true;
        if receiving.patience != Patience::Gone {
            self.settle(id, out, after);
        }
        Taken::Ended(ended)
    }

    /// Whom to wake when something comes. Returns the one before.
    pub(crate) fn set_waker(&mut self, id: Xid, waker: W) -> Option<W> {
        self.receiving(id)?.waker.replace(waker)
    }

    pub(crate) fn waker(&self, id: Xid) -> Option<&W> {
        match self.rows.get(&id) {
            Some(Row { end: Way::Receiving(receiving), .. }) => receiving.waker.as_ref(),
            _ => None,
        }
    }

    /// The consumer took items that cost so much.
    pub(crate) fn consume(&mut self, id: Xid, cost: u64) {
        let Some(Row { end: Way::Receiving(receiving), .. }) = self.rows.get_mut(&id) else { return };
        let grant = receiving.granter.consume(cost);
        let freed = take_below(&mut receiving.oversize, receiving.granter.consumed());
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
    pub(crate) fn stop(&mut self, id: Xid, out: &mut Outbox, after: &mut After<W, P>) {
        self.discard(vec![Arrived { id, half: Half::Receiving }].into(), out, after);
    }

    /// Returns the halves in items that wait for it.
    fn drop_receiver(&mut self, id: Xid, out: &mut Outbox, after: &mut After<W, P>) -> Rare<Arrived> {
        let Some(receiving) = self.receiving(id) else { return Rare::new() };
        let queue = std::mem::take(&mut receiving.queue);
        after.wakers.extend(receiving.waker.take());
        receiving.dropped = true;
        let oversize = receiving.oversize.take();
        if !receiving.is_open() {
            self.settle(id, out, after);
        } else if receiving.patience != Patience::Gone && receiving.stop_said.is_none() {
            receiving.stop = true;
            self.is_due(id);
        }
        if let Some(Oversize { cost, .. }) = oversize {
            self.unread.release(cost);
        }
        let mut carried = Rare::new();
        for items in queue {
            after.segments.push(items.values);
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

    // Both.

    /// Whether the peer takes a further channel since this was last asked.
    pub(crate) fn take_room_made(&mut self) -> bool {
        std::mem::take(&mut self.room_made)
    }

    pub(crate) fn contains(&self, id: Xid) -> bool {
        self.rows.contains_key(&id)
    }

    /// The next flush has something to say of it. Those that ended before are swept out when they
    /// outnumber the rest.
    fn is_due(&mut self, id: Xid) {
        if self.due.len() > 64 && self.due.len() > 4 * self.rows.len() {
            self.due.retain(|id| self.rows.contains_key(id));
        }
        self.due.push(id);
    }

    /// Queues the CREDITs and STOPs that are due, one of each a channel at most.
    pub(crate) fn flush(&mut self, out: &mut Outbox) {
        let now = self.departures;
        for id in std::mem::take(&mut self.due) {
            let Some(Row { hold: Hold::None, end: Way::Receiving(receiving), .. }) = self.rows.get_mut(&id)
            else {
                continue;
            };
            if let Some(total) = receiving.grant.take().filter(|_| !receiving.dropped) {
                out.message(&Frame::Credit { channel: id, total });
            }
            if std::mem::take(&mut receiving.stop) && receiving.ended.is_none() {
                out.message(&Frame::Stop { channel: id });
                receiving.stop_said = Some(now);
            }
        }
    }

    pub(crate) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// END and STOP are both said: one channel less is open, once what this end said has left the outbox.
    fn closed(&mut self, opened_here: bool, said: Departure, after: &mut After<W, P>) {
        if opened_here {
            self.opened_here = self.opened_here.saturating_sub(1);
            self.room_made = true;
            self.resume_crowded(after);
        } else if said < self.departures {
            self.opened_there = self.opened_there.saturating_sub(1);
        } else {
            self.leaving += 1;
        }
    }

    fn resume_crowded(&mut self, after: &mut After<W, P>) {
        for id in std::mem::take(&mut self.crowded) {
            if let Some(Row { end: Way::Sending(sending), .. }) = self.rows.get_mut(&id) {
                sending.crowded = false;
                after.resumed.extend(sending.port.clone());
            }
        }
    }

    pub(crate) fn trim(&mut self) {
        self.rows.shrink_to_fit();
        self.due.shrink_to_fit();
        self.crowded.shrink_to_fit();
        self.unread_there.trim();
    }

    /// Each channel's END has gone or come. What came before it may still be taken when the connection is over.
    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Nobody here sends, or takes what comes. A peer that does not end what this end has stopped is none of this.
    pub(crate) fn are_unused(&self) -> bool {
        self.live == 0
            || self.rows.values().all(|row| match &row.end {
                Way::Receiving(receiving) => receiving.dropped,
                Way::Finished(_) => true,
                Way::Sending(_) => false,
            })
    }

    /// Ends all that are open, for a drain whose grace is over: both halves are told. A sender that was
    /// told so before, and has not ended, is waited for no longer.
    pub(crate) fn end_all(&mut self, out: &mut Outbox, after: &mut After<W, P>) {
        let drained = Fault::new(FaultCode::Draining, "the connection drains");
        let ids: Vec<Xid> = self.rows.keys().copied().collect();
        for id in ids {
            match self.receiving(id) {
                None => self.end(id, Some(drained.clone()), out, after),
                Some(receiving) if receiving.ended.is_some() => {}
                Some(receiving) => match receiving.patience {
                    Patience::Fresh => {
                        receiving.patience = Patience::Spent;
                        self.refuse(id, drained.clone());
                    }
                    Patience::Spent => {
                        receiving.patience = Patience::Gone;
                        let why = receiving.stopped.take().unwrap_or_else(|| drained.clone());
                        receiving.ended = Some(Ended::Said(Some(why)));
                        after.wakers.extend(receiving.waker.take());
                        self.live = self.live.saturating_sub(1);
                    }
                    Patience::Gone => {}
                },
            }
        }
    }

    /// Ends every row without a word: the connection is over. Receivers still take what has come.
    pub(crate) fn close(&mut self, after: &mut After<W, P>) {
        self.due.clear();
        self.crowded.clear();
        (self.live, self.opened_here, self.opened_there, self.leaving) = (0, 0, 0, 0);
        self.unread_there.clear();
        self.rows.retain(|_, row| match &mut row.end {
            Way::Sending(sending) => {
                after.closed.extend(sending.port.take());
                false
            }
            Way::Finished(_) => false,
            Way::Receiving(receiving) => {
                receiving.ended.get_or_insert(Ended::Closed);
                receiving.stop_said.get_or_insert(0);
                // No END comes any more.
                receiving.patience = Patience::Fresh;
                after.wakers.extend(receiving.waker.take());
                !receiving.dropped
            }
        });
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

    #[cfg(test)]
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }
}

fn receiving_of<W, P>(rows: &mut XidMap<Row<W, P>>) -> impl Iterator<Item = &mut Receiving<W>> {
    rows.values_mut().filter_map(|row| match &mut row.end {
        Way::Receiving(receiving) => Some(receiving),
        Way::Sending(_) | Way::Finished(_) => None,
    })
}

impl<W, P> Way<W, P> {
    fn sending(window: u64, port: Option<P>) -> Way<W, P> {
        let purse = Purse::new(window);
        Way::Sending(Sending { purse, port, waits: None, oversize: None, crowded: false, ending: None })
    }

    fn receiving(window: u64) -> Way<W, P> {
        Way::Receiving(Receiving {
            granter: Granter::new(window),
            queue: VecDeque::new(),
            waker: None,
            ended: None,
            dropped: false,
            stopped: None,
            refused: false,
            patience: Patience::Fresh,
            oversize: None,
            grant: None,
            stop: false,
            stop_said: None,
            keeps: false,
        })
    }
}

impl<P: Clone> Sending<P> {
    /// Has the port looked at again, where it waits and there is credit.
    fn resume<W>(&mut self, after: &mut After<W, P>) {
        if self.waits.take_if(|cost| self.purse.has(*cost)).is_some() {
            after.resumed.extend(self.port.clone());
        }
    }
}

/// Takes an item off that ends within what was taken.
fn take_below(oversize: &mut Option<Oversize>, taken: u64) -> Option<Oversize> {
    oversize.take_if(|oversize| oversize.end <= taken)
}

/// Queues END. What does not fit a small frame of it is said to be too large.
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
        message: super::session::clip(message),
        detail,
    });
    out.message(&Frame::End { channel: id, why: end });
}

fn never_opened(id: Xid) -> String {
    format!("channel {id} was never opened, or has ended")
}

/// Why a half that nobody took ends.
fn undecoded() -> Fault {
    Fault::new(FaultCode::Cancelled, "the message that carried it was not taken")
}
