//! Open channels: a row for the half that is here, with its credit and what waits for it.
//!
//! A row begins with the message that carries the other half. It ends when both END and STOP have gone or come: the
//! sending half says END, the receiving half STOP, once all was taken or nobody receives any more.

pub mod credit;
pub mod receiving;
pub mod sending;
pub mod unread;

use crate::session::channels::receiving::Ended;
use crate::session::channels::receiving::Receiving;
use crate::session::channels::receiving::SenderState;
use crate::session::channels::receiving::StopState;
use crate::session::channels::sending::Finished;
use crate::session::channels::sending::Sending;
use crate::session::channels::unread::Unread;
use crate::session::channels::unread::UnreadThere;
use crate::session::effects::Effects;
use crate::session::outbox::Outbox;
use crate::thin_list::ThinList;
use crate::wire::fault::Fault;
use crate::wire::fault::FaultCode;
use crate::wire::frame::Frame;
use crate::wire::handles::Half;
use crate::wire::handles::IncomingHandle;
use crate::wire::handles::OutgoingHandle;
use crate::wire::settings::Settings;
use crate::wire::xid::Counter;
use crate::wire::xid::Side;
use crate::wire::xid::Xid;
use crate::wire::xid::XidMap;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

/// What a carried half costs its item beside its bytes: the row that it makes at the other end.
const CARRIED_COST: u64 = 256;

/// What a frame of items costs beside its bytes: its place in the receiver's queue.
const FRAME_COST: u64 = 128;

/// What an item, or several in one frame, spends of its channel's credit.
pub fn item_cost(len: usize, carried: usize) -> u64 {
    FRAME_COST + len as u64 + CARRIED_COST * carried as u64
}

/// Items that came in one frame.
#[derive(Debug, PartialEq)]
pub struct Items {
    /// So many values, one after the other.
    pub values: Bytes,
    pub count: u32,
    pub carried: ThinList<IncomingHandle>,
}

impl Items {
    pub fn cost(&self) -> u64 {
        item_cost(self.values.len(), self.carried.len())
    }
}

#[derive(Debug)]
struct Row<W, P> {
    opened_here: bool,
    held_back: HeldBack,
    end: Endpoint<W, P>,
}

/// Whether frames of the channel wait behind a large message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeldBack {
    No,
    /// The message that carries the other half: the peer does not know the channel yet.
    ByIntroduction,
    ByItem,
}

#[derive(Debug)]
enum Endpoint<W, P> {
    Sending(Sending<P>),
    /// A sending half whose END has gone, and whose receiver has not said STOP.
    Finished(Finished),
    Receiving(Receiving<W>),
}

/// How often the writer had taken what was queued: tells whether a frame that was queued then has left the outbox.
type FlushCount = u64;

#[derive(Debug)]
pub(crate) struct Channels<W, P> {
    rows: XidMap<Row<W, P>>,
    side: Side,
    /// Channels whose END was neither sent nor received.
    live: u64,
    /// Channels whose END or STOP was neither sent nor received, by who opened them.
    opened_here: u64,
    opened_there: u64,
    /// Channels of the peer whose last frame from this end has not left the outbox. They count as open, so that a peer that
    /// does not read cannot have any number of them wait.
    leaving: u64,
    /// How often the writer has taken what was queued.
    flushes: FlushCount,
    /// Items of more than half a window that were not taken yet, here and at the peer.
    unread: Unread,
    /// The peer accepts another channel since [`take_room_made`](Channels::take_room_made) was last called.
    room_made: bool,
    unread_there: UnreadThere,
    /// The highest id that the peer has given a channel.
    highest: Xid,
    /// Rows whose CREDIT or STOP the next flush has to send.
    due: Vec<Xid>,
    /// Rows whose items carry more channels than the peer accepts now, each once.
    awaiting_channels: Vec<Xid>,
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
            flushes: 0,
            unread: Unread::default(),
            room_made: false,
            unread_there: UnreadThere::default(),
            highest: 0,
            due: Vec::new(),
            awaiting_channels: Vec::new(),
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
        leaving: ThinList<OutgoingHandle<P>>,
        ids: &mut Counter,
        (ours, peer): (&Settings, &Settings),
        effects: &mut Effects<W, P>,
    ) -> ThinList<IncomingHandle> {
        let open = |OutgoingHandle { half, port }: OutgoingHandle<P>| {
            let id = ids.take();
            let end = match half {
                Half::Receiving => Endpoint::Sending(Sending::new(peer.window, Some(port.clone()))),
                Half::Sending => Endpoint::Receiving(Receiving::new(ours.window)),
            };
            self.rows.insert(id, Row { opened_here: true, held_back: HeldBack::No, end });
            self.live += 1;
            self.opened_here += 1;
            effects.attached.push((port, id));
            IncomingHandle { id, half }
        };
        leaving.into_iter().map(open).collect()
    }

    /// Opens the channels whose halves have come with a message. An `Err` tells how the peer oversteps.
    pub(crate) fn arrive(
        &mut self,
        carried: &[IncomingHandle],
        (ours, peer): (&Settings, &Settings),
        is_taken: impl Fn(Xid) -> bool,
    ) -> Result<(), String> {
        if self.opened_there.saturating_add(carried.len() as u64) > ours.max_channels {
            return Err(format!("more than {} channels open", ours.max_channels));
        }
        for &IncomingHandle { id, half } in carried {
            if !self.side.other().owns(id) || self.rows.contains_key(&id) || is_taken(id) {
                return Err(format!("channel {id} is not one that the peer may open"));
            }
            let end = match half {
                Half::Receiving => Endpoint::Receiving(Receiving::new(ours.window)),
                Half::Sending => Endpoint::Sending(Sending::new(peer.window, None)),
            };
            self.rows.insert(id, Row { opened_here: false, held_back: HeldBack::No, end });
            self.live += 1;
            self.opened_there += 1;
            self.highest = self.highest.max(id);
        }
        Ok(())
    }

    /// Nothing of these may go before the message that carries their other halves.
    pub(crate) fn hold_back(&mut self, carried: &[IncomingHandle]) {
        for arrived in carried {
            if let Some(row) = self.rows.get_mut(&arrived.id) {
                row.held_back = HeldBack::ByIntroduction;
            }
        }
    }

    /// The large message in front of it has gone whole.
    pub(crate) fn release(&mut self, id: Xid, out: &mut Outbox, effects: &mut Effects<W, P>) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.held_back = HeldBack::No;
        match &mut row.end {
            Endpoint::Receiving(receiving) if receiving.has_due() => self.is_due(id),
            Endpoint::Receiving(_) | Endpoint::Finished(_) => {}
            Endpoint::Sending(sending) => match sending.pending.take_end() {
                Some(why) => self.end(id, why, out, effects),
                None => sending.resume(effects),
            },
        }
    }

    /// The message that was to carry the other half will never be sent: the peer does not know the channel.
    pub(crate) fn recall(&mut self, id: Xid, effects: &mut Effects<W, P>) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        let (mut was_live, mut forgotten) = (true, true);
        match &mut row.end {
            Endpoint::Sending(sending) => effects.closed.extend(sending.port.take()),
            Endpoint::Receiving(receiving) => {
                let gone = Fault::new(FaultCode::Cancelled, "the message that carried it was not sent");
                was_live = receiving.is_live();
                receiving.sender = SenderState::Ended(Ended::Said(Some(gone)));
                receiving.stop = StopState::Unneeded;
                effects.wakers.extend(receiving.waker.take());
                forgotten = receiving.is_gone();
            }
            Endpoint::Finished(_) => return,
        }
        self.live = self.live.saturating_sub(u64::from(was_live));
        self.opened_here = self.opened_here.saturating_sub(1);
        if forgotten {
            self.rows.remove(&id);
        }
        self.resume_awaiting(effects);
    }

    /// Halves that came with a message which nobody will decode.
    pub(crate) fn discard(
        &mut self,
        carried: ThinList<IncomingHandle>,
        out: &mut Outbox,
        effects: &mut Effects<W, P>,
    ) {
        // Items that wait carry halves themselves, whose items do, and so on: a peer may go so deep that
        // a recursion overflows the stack.
        let mut carried = VecDeque::from_iter(carried);
        while let Some(IncomingHandle { id, half }) = carried.pop_front() {
            match half {
                Half::Receiving => carried.extend(self.drop_receiver(id, out, effects)),
                Half::Sending => self.end(id, Some(undecoded()), out, effects),
            }
        }
    }

    /// The writer took what was queued.
    pub(crate) fn left_outbox(&mut self) {
        self.flushes += 1;
        self.opened_there = self.opened_there.saturating_sub(core::mem::take(&mut self.leaving));
    }

    /// Whether the peer accepts another channel since this was last called.
    pub(crate) fn take_room_made(&mut self) -> bool {
        core::mem::take(&mut self.room_made)
    }

    pub(crate) fn contains(&self, id: Xid) -> bool {
        self.rows.contains_key(&id)
    }

    /// Lists a row for the next flush. Ids of rows that are gone are removed once they outnumber the others.
    fn is_due(&mut self, id: Xid) {
        if self.due.len() > 64 && self.due.len() > 4 * self.rows.len() {
            self.due.retain(|id| self.rows.contains_key(id));
        }
        self.due.push(id);
    }

    /// Queues the CREDITs and STOPs that are due, one of each a channel at most.
    pub(crate) fn flush(&mut self, out: &mut Outbox) {
        let now = self.flushes;
        for id in core::mem::take(&mut self.due) {
            let Some(Row { held_back: HeldBack::No, end: Endpoint::Receiving(receiving), .. }) =
                self.rows.get_mut(&id)
            else {
                continue;
            };
            if let Some(total) = receiving.grant.take().filter(|_| !receiving.is_gone()) {
                out.message(&Frame::Credit { channel: id, total });
            }
            if receiving.stop == StopState::Due {
                // Of a channel that has ended it goes when all was taken.
                receiving.stop = StopState::Unsaid;
                if receiving.is_live() {
                    out.message(&Frame::Stop { channel: id });
                    receiving.stop = StopState::Said(now);
                }
            }
        }
    }

    pub(crate) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// END and STOP were both sent or received. The channel is closed once the frame that this end sent has left the
    /// outbox.
    fn closed(&mut self, opened_here: bool, said: FlushCount, effects: &mut Effects<W, P>) {
        if opened_here {
            self.opened_here = self.opened_here.saturating_sub(1);
            self.room_made = true;
            self.resume_awaiting(effects);
        } else if said < self.flushes {
            self.opened_there = self.opened_there.saturating_sub(1);
        } else {
            self.leaving += 1;
        }
    }

    pub(crate) fn trim(&mut self) {
        self.rows.shrink_to_fit();
        self.due.shrink_to_fit();
        self.awaiting_channels.shrink_to_fit();
        self.unread_there.trim();
    }

    /// Each channel's END has gone or come. What came before it may still be taken when the connection is over.
    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Nobody at this end sends or receives. Channels that the peer has not ended although it was told to are not counted.
    pub(crate) fn are_unused(&self) -> bool {
        self.live == 0
            || self.rows.values().all(|row| match &row.end {
                Endpoint::Receiving(receiving) => receiving.is_gone(),
                Endpoint::Finished(_) => true,
                Endpoint::Sending(_) => false,
            })
    }

    /// Ends all open channels, for a drain whose grace is over: both halves are told. It no longer waits for a sender that
    /// was told before and has not ended its channel.
    pub(crate) fn end_all(&mut self, out: &mut Outbox, effects: &mut Effects<W, P>) {
        let drained = Fault::new(FaultCode::Draining, "the connection drains");
        let ids: Vec<Xid> = self.rows.keys().copied().collect();
        for id in ids {
            match self.receiving(id) {
                None => self.end(id, Some(drained.clone()), out, effects),
                Some(receiving) => match receiving.sender {
                    SenderState::Open { in_drain: false } => {
                        receiving.sender = SenderState::Open { in_drain: true };
                        self.refuse(id, drained.clone());
                    }
                    SenderState::Open { in_drain: true } => {
                        let why = receiving.take_reason().unwrap_or_else(|| drained.clone());
                        receiving.sender = SenderState::Overdue(Ended::Said(Some(why)));
                        effects.wakers.extend(receiving.waker.take());
                        self.live = self.live.saturating_sub(1);
                    }
                    SenderState::Overdue(_) | SenderState::Ended(_) => {}
                },
            }
        }
    }

    /// Ends every row without sending anything: the connection is over. Receivers still take the items that have come.
    pub(crate) fn close(&mut self, effects: &mut Effects<W, P>) {
        self.due.clear();
        self.awaiting_channels.clear();
        (self.live, self.opened_here, self.opened_there, self.leaving) = (0, 0, 0, 0);
        self.unread_there.clear();
        self.rows.retain(|_, row| match &mut row.end {
            Endpoint::Sending(sending) => {
                effects.closed.extend(sending.port.take());
                false
            }
            Endpoint::Finished(_) => false,
            Endpoint::Receiving(receiving) => {
                receiving.close();
                effects.wakers.extend(receiving.waker.take());
                !receiving.is_gone()
            }
        });
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }
}

fn never_opened(id: Xid) -> String {
    format!("channel {id} was never opened, or has ended")
}

/// Why a half that nobody took ends.
fn undecoded() -> Fault {
    Fault::new(FaultCode::Cancelled, "the message that carried it was not taken")
}
