//! Two honest sessions, and whatever their callers, their handlers, the clock and the network do to
//! them, in any order.

use super::pair::{ADD, Ask, CallId, End, Pair, PortId, Spoken, roomy};
use crate::Millis;
use crate::session::channels::receiving::Ended;
use crate::session::channels::receiving::Taken;
use crate::session::message::Terminal;
use crate::session::message::Value;
use crate::wire::fault::FaultCode;
use crate::wire::fault::GoawayCode;
use crate::wire::handles::Half;
use crate::wire::handles::IncomingHandle;
use crate::wire::handles::OutgoingHandle;
use crate::wire::settings::Settings;
use crate::wire::xid::Side;
use crate::wire::xid::Xid;
use std::collections::{HashMap, HashSet};

#[cfg(fuzzing)]
pub use bytes::run_by;

/// One thing that happens at one end.
#[derive(Clone, Debug)]
enum Deed {
    Call {
        size: Size,
        nested: bool,
        within: Option<Millis>,
        times: usize,
        halves: Halves,
    },
    Notify {
        size: Size,
        nested: bool,
        within: Option<Millis>,
        halves: Halves,
    },
    /// A caller looks whether its call is over.
    Look(Pick),
    Abandon(Pick),
    Answer(Pick, Outcome, Halves),
    FinishNote,
    /// A sender sends items, each of which may carry halves.
    Send(Pick, Size, usize, Halves),
    /// A receiver takes what is there.
    Take(Pick),
    /// A sender ends its channel, or a receiver is dropped.
    Leave(Pick),
    Flush,
    /// So many written bytes arrive at the other end.
    Carry(usize),
    Pass(Millis),
    Drain,
    Close,
    /// The network is gone, with all that was on its way.
    Cut,
}

/// One of those that there are.
#[derive(Clone, Copy, Debug)]
struct Pick(u64);

impl Pick {
    fn index(self, len: usize) -> usize {
        (self.0 % len as u64) as usize
    }
}

/// How many halves of each kind go with a message, and whether what came with one is kept.
#[derive(Clone, Copy, Debug)]
struct Halves {
    receiving: usize,
    sending: usize,
}

#[derive(Clone, Copy, Debug)]
enum Size {
    Small,
    Large,
    /// More than the peer takes.
    TooLarge,
}

impl Size {
    /// Told apart by `serial`, which arrives with the call and comes back with its value.
    fn len(self, serial: u32) -> usize {
        serial as usize
            + match self {
                Size::Small => 4,
                Size::Large => 17 << 10,
                Size::TooLarge => 97 << 10,
            }
    }
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Value(Size),
    Fault,
    Dropped,
}

/// A call or notify whose end nobody has seen yet.
struct Open {
    call: CallId,
    len: usize,
    timed: bool,
    notify: bool,
}

/// A handler that has not ended.
struct Handler {
    xid: Xid,
    len: usize,
    /// It waits for a thread.
    parked: bool,
}

/// A half of a channel that is here.
#[derive(Clone, Copy)]
enum Held {
    /// Its id is known once the other half has left.
    Sending(PortId),
    /// As above.
    Departing(PortId),
    Receiving(Xid),
}

/// What went through one channel.
#[derive(Debug, Default)]
struct Flow {
    sent: Vec<u8>,
    taken: Vec<u8>,
}

/// What is known of one end beside its session.
struct Witness {
    side: Side,
    ours: Settings,
    open: Vec<Open>,
    handlers: Vec<Handler>,
    held: Vec<Held>,
    serial: u32,
    /// Lengths of the calls and notifies of the other end that ran here, or may have.
    ran: HashSet<usize>,
    /// Xids of the requests said.
    asked: HashSet<Xid>,
    /// Requests said, whose terminal has not been heard.
    unanswered: HashSet<Xid>,
    /// Requests heard, and how many terminals were said for each.
    owed: HashMap<Xid, u32>,
    drains: bool,
    closed: bool,
}

impl Witness {
    fn new(side: Side, ours: Settings) -> Witness {
        Witness {
            side,
            ours,
            open: Vec::new(),
            handlers: Vec::new(),
            held: Vec::new(),
            serial: 0,
            ran: HashSet::new(),
            asked: HashSet::new(),
            unanswered: HashSet::new(),
            owed: HashMap::new(),
            drains: false,
            closed: false,
        }
    }

    /// What the writer took.
    fn on_said(&mut self, spoken: &Spoken) {
        assert!(!self.closed, "{spoken:?} after the goodbye");
        match *spoken {
            Spoken::Request(xid) => {
                assert!(self.side.owns(xid) && self.asked.insert(xid), "{xid} was used before");
                self.unanswered.insert(xid);
            }
            Spoken::Cancel(xid) => {
                assert!(self.asked.contains(&xid), "the cancel of {xid} overtook its request")
            }
            Spoken::Reply(xid) | Spoken::Fault(xid, _) => {
                let said = self.owed.get_mut(&xid).expect("an answer to a request that came");
                *said += 1;
                assert_eq!(*said, 1, "answers to {xid}");
            }
            Spoken::Goaway(_, code) => self.closed = code != GoawayCode::Draining,
            _ => {}
        }
    }

    fn on_heard(&mut self, spoken: &Spoken) {
        match *spoken {
            Spoken::Request(xid) => assert_eq!(self.owed.insert(xid, 0), None, "{xid} came twice"),
            Spoken::Reply(xid) | Spoken::Fault(xid, _) => drop(self.unanswered.remove(&xid)),
            _ => {}
        }
    }
}

struct Storm {
    pair: Pair,
    client: Witness,
    server: Witness,
    flows: HashMap<Xid, Flow>,
}

impl Storm {
    fn new() -> Storm {
        let client = Settings { max_in_flight: 16, max_channels: 4, ..roomy(64 << 10, 64 << 10) };
        let server = Settings { max_in_flight: 20, max_channels: 7, ..roomy(96 << 10, 128 << 10) };
        Storm {
            pair: Pair::new(client.clone(), server.clone()),
            client: Witness::new(Side::Connecting, client),
            server: Witness::new(Side::Accepting, server),
            flows: HashMap::new(),
        }
    }

    fn at(&mut self, side: Side) -> (&mut End, &mut Witness) {
        match side {
            Side::Connecting => (&mut self.pair.client, &mut self.client),
            Side::Accepting => (&mut self.pair.server, &mut self.server),
        }
    }

    fn step(&mut self, side: Side, deed: &Deed) {
        let (end, witness) = self.at(side);
        match *deed {
            Deed::Call { size, nested, within, times, halves } => {
                for _ in 0..times {
                    witness.ask(end, size, nested, within, false, halves);
                }
            }
            Deed::Notify { size, nested, within, halves } => {
                witness.ask(end, size, nested, within, true, halves);
            }
            Deed::Look(which) if !witness.open.is_empty() => {
                let at = which.index(witness.open.len());
                self.look(side, at);
            }
            Deed::Abandon(which) if !witness.open.is_empty() => {
                let open = witness.open.swap_remove(which.index(witness.open.len()));
                end.abandon(open.call);
            }
            Deed::Answer(which, outcome, halves) if !witness.handlers.is_empty() => {
                let handler = witness.handlers.swap_remove(which.index(witness.handlers.len()));
                witness.answer(end, &handler, outcome, halves);
            }
            Deed::Send(which, size, times, halves) if !witness.held.is_empty() => {
                let held = witness.held[which.index(witness.held.len())];
                for _ in 0..times {
                    self.send(side, held, size, halves);
                }
            }
            Deed::Take(which) if !witness.held.is_empty() => {
                let at = which.index(witness.held.len());
                self.take(side, at);
            }
            Deed::Leave(which) if !witness.held.is_empty() => {
                let held = witness.held.swap_remove(which.index(witness.held.len()));
                self.leave(side, held);
            }
            Deed::FinishNote if !end.notes.is_empty() => drop(end.finish_note()),
            Deed::Flush => end.flush(),
            Deed::Carry(bytes) if side == Side::Connecting => self.pair.carry(bytes, 0),
            Deed::Carry(bytes) => self.pair.carry(0, bytes),
            Deed::Pass(time) => self.pair.pass(time),
            Deed::Drain => self.drain(side),
            Deed::Close => end.close(),
            Deed::Cut => self.cut(),
            Deed::Look(_) | Deed::Abandon(_) | Deed::Answer(..) | Deed::FinishNote => {}
            Deed::Send(..) | Deed::Take(_) | Deed::Leave(_) => {}
        }
        self.check();
    }

    fn drain(&mut self, side: Side) {
        let (end, witness) = self.at(side);
        witness.drains = true;
        end.drain();
    }

    fn send(&mut self, side: Side, held: Held, size: Size, halves: Halves) {
        let (end, witness) = self.at(side);
        let Held::Sending(port) = held else { return };
        let Some(id) = end.ports[&port].id else { return };
        witness.serial += 1;
        let item = item(size.len(0).min(60 << 10), witness.serial);
        if end.session.item_exceeds_limits(item.len(), halves.receiving + halves.sending).is_some() {
            return;
        }
        let (staying, leaving) = leaving(end, halves);
        if end.send_with(id, &item, leaving).is_ok() {
            witness.held.extend(staying);
            self.flows.entry(id).or_default().sent.extend(item);
        }
    }

    /// Takes what is there for a receiver. What was sent comes whole and in order, or is the beginning of it.
    fn take(&mut self, side: Side, at: usize) {
        let (end, witness) = self.at(side);
        let Some(id) = witness.held[at].receives(end) else { return };
        let mut came = Vec::new();
        let taken = end.take(id, 0);
        match &taken {
            Taken::Items(frames) => {
                for frame in frames {
                    came.extend(frame.values.iter().copied());
                    witness.get(end, &frame.carried);
                }
            }
            Taken::Ended(_) => drop(witness.held.swap_remove(at)),
            Taken::Nothing => {}
        }
        let flow = self.flows.entry(id).or_default();
        flow.taken.extend(came);
        assert!(flow.sent.starts_with(&flow.taken), "channel {id}: {} bytes astray", flow.taken.len());
        if matches!(taken, Taken::Ended(Ended::Said(None))) {
            assert_eq!(flow.sent.len(), flow.taken.len(), "channel {id} was finished, and is not whole");
        }
    }

    fn leave(&mut self, side: Side, held: Held) {
        let (end, _) = self.at(side);
        match held {
            Held::Sending(port) => match end.ports[&port].id {
                Some(id) => end.end_channel(id, None),
                // A sender that is dropped before its channel is known ends it then.
                None => self.at(side).1.held.push(held),
            },
            Held::Departing(port) => match end.ports[&port].id {
                Some(id) => end.stop(id),
                None => self.at(side).1.held.push(held),
            },
            Held::Receiving(id) => end.stop(id),
        }
    }

    fn cut(&mut self) {
        for side in [Side::Connecting, Side::Accepting] {
            let (end, witness) = self.at(side);
            end.abort();
            end.pipe.clear();
            witness.closed = true;
        }
    }

    fn look(&mut self, side: Side, at: usize) {
        let (end, witness) = self.at(side);
        let Some((terminal, carried)) = end.whole_end_of(witness.open[at].call) else { return };
        witness.get(end, &carried);
        let open = witness.open.swap_remove(at);
        assert_eq!(end.end_of(open.call), None, "a second end after {terminal:?}");
        let ran = self.at(side.other()).1.ran.contains(&open.len);
        check_terminal(&open, terminal, ran);
    }

    /// What holds at any time.
    fn check(&mut self) {
        for side in [Side::Connecting, Side::Accepting] {
            let (end, witness) = self.at(side);
            assert_eq!(end.protocol_error, None);
            end.heard().iter().for_each(|spoken| witness.on_heard(spoken));
            end.wrote().iter().for_each(|spoken| witness.on_said(spoken));
            while let Some(parts) = end.requests.pop_front() {
                witness.serve(end, parts.xid, parts.args.len());
                witness.get(end, &parts.carried);
            }
            for at in 0..end.notes.len() {
                let note = &mut end.notes[at];
                witness.ran.insert(note.len);
                let carried = core::mem::take(&mut note.carried);
                witness.get(end, &carried);
            }
            assert!(end.session.rows().1 as u64 <= witness.ours.max_in_flight);
        }
        assert!(self.client.unanswered.len() as u64 <= self.server.ours.max_in_flight);
        assert!(self.server.unanswered.len() as u64 <= self.client.ours.max_in_flight);
    }

    /// All bytes arrive, all handlers end, all callers look.
    fn calm(&mut self) {
        let mut busy = true;
        while core::mem::take(&mut busy) {
            self.carry_all();
            for side in [Side::Connecting, Side::Accepting] {
                let (end, witness) = self.at(side);
                for handler in core::mem::take(&mut witness.handlers) {
                    busy = true;
                    witness.answer(end, &handler, Outcome::Value(Size::Small), NO_HALVES);
                }
                while !end.notes.is_empty() {
                    busy = true;
                    end.finish_note();
                }
                busy |= self.look_all(side);
                busy |= self.end_channels(side);
            }
        }
        for side in [Side::Connecting, Side::Accepting] {
            assert_eq!(self.at(side).1.open.len(), 0, "callers of the {side:?} end wait for ever");
            assert_eq!(self.at(side).1.held.len(), 0, "halves at the {side:?} end are forgotten");
        }
        self.pair.expect_no_rows();
    }

    /// All callers look. `true` where one was told its end.
    fn look_all(&mut self, side: Side) -> bool {
        let waiting = self.at(side).1.open.len();
        for at in (0..waiting).rev() {
            self.look(side, at);
        }
        self.at(side).1.open.len() < waiting
    }

    /// Senders end, receivers take. `true` where something came of it.
    fn end_channels(&mut self, side: Side) -> bool {
        let before = self.at(side).1.held.len();
        let mut came = false;
        for at in (0..before).rev() {
            let (end, witness) = self.at(side);
            match witness.held[at] {
                Held::Sending(port) if end.ports[&port].closed => drop(witness.held.swap_remove(at)),
                Held::Departing(port) if end.ports[&port].closed && end.ports[&port].id.is_none() => {
                    witness.held.swap_remove(at);
                }
                held @ Held::Sending(port) if end.ports[&port].id.is_some() => {
                    witness.held.swap_remove(at);
                    self.leave(side, held);
                }
                Held::Sending(_) => {}
                Held::Departing(_) | Held::Receiving(_) => {
                    let taken = |flows: &HashMap<Xid, Flow>| {
                        flows.values().map(|flow| flow.taken.len()).sum::<usize>()
                    };
                    let all = taken(&self.flows);
                    self.take(side, at);
                    came |= taken(&self.flows) > all;
                }
            }
        }
        came || self.at(side).1.held.len() != before
    }

    fn carry_all(&mut self) {
        while !(self.pair.client.is_quiet() && self.pair.server.is_quiet()) {
            self.pair.client.flush();
            self.pair.server.flush();
            self.check();
            self.pair.carry(usize::MAX, usize::MAX);
            self.check();
        }
    }

    fn is_closed(&self) -> bool {
        [&self.pair.client, &self.pair.server].iter().any(|end| end.is_over())
            || self.client.closed
            || self.server.closed
    }

    /// Every place is free again.
    fn fill(&mut self) {
        for side in [Side::Connecting, Side::Accepting] {
            let limit = self.at(side.other()).1.ours.max_in_flight;
            let (end, witness) = self.at(side);
            for _ in 0..limit {
                let call = end.call(ADD.nested());
                end.expect_waiting(call);
            }
            let note = end.notify(ADD.nested());
            assert_eq!(end.expect_end(note), Terminal::Sent);
            let went = end.said().iter().filter(|spoken| matches!(spoken, Spoken::Request(_))).count();
            assert_eq!(went as u64, limit, "requests of the {:?} end", witness.side);
        }
    }
}

/// Bytes that differ from item to item.
fn item(len: usize, serial: u32) -> Vec<u8> {
    (0..len).map(|at| (at as u32 ^ serial.wrapping_mul(31)) as u8).collect()
}

const NO_HALVES: Halves = Halves { receiving: 0, sending: 0 };

/// Halves to go with a message, and those that stay.
fn leaving(end: &mut End, halves: Halves) -> (Vec<Held>, Vec<OutgoingHandle<PortId>>) {
    let (mut staying, mut all) = (Vec::new(), Vec::new());
    for _ in 0..halves.receiving {
        let (port, leaving) = end.half(Half::Receiving);
        staying.push(Held::Sending(port));
        all.push(leaving);
    }
    for _ in 0..halves.sending {
        let (port, leaving) = end.half(Half::Sending);
        staying.push(Held::Departing(port));
        all.push(leaving);
    }
    (staying, all)
}

impl Held {
    /// The channel that comes in here.
    fn receives(self, end: &End) -> Option<Xid> {
        match self {
            Held::Sending(_) => None,
            Held::Departing(port) => end.ports[&port].id,
            Held::Receiving(id) => Some(id),
        }
    }
}

impl Witness {
    /// Takes halves out of a message; one in four is not wanted.
    fn get(&mut self, end: &mut End, carried: &[IncomingHandle]) {
        for &arrived in carried {
            match arrived.half {
                _ if arrived.id / 2 % 4 == 0 => end.discard(vec![arrived].into()),
                Half::Receiving => self.held.push(Held::Receiving(arrived.id)),
                Half::Sending => self.held.push(Held::Sending(end.bind(arrived.id))),
            }
        }
    }

    fn ask(
        &mut self,
        end: &mut End,
        size: Size,
        nested: bool,
        within: Option<Millis>,
        notify: bool,
        halves: Halves,
    ) {
        self.serial += 1;
        let len = size.len(self.serial);
        let mut ask: Ask = ADD.of(len);
        if nested {
            ask = ask.nested();
        }
        if let Some(timeout) = within {
            ask = ask.within(timeout);
        }
        let (staying, leaving) = leaving(end, halves);
        self.held.extend(staying);
        let call = if notify { end.notify_with(ask, leaving) } else { end.call_with(ask, leaving) };
        self.open.push(Open { call, len, timed: within.is_some(), notify });
    }

    /// A third of the handlers waits for a thread, a third can be stopped.
    fn serve(&mut self, end: &mut End, xid: Xid, len: usize) {
        let parked = match len % 3 {
            0 => {
                end.session.park(xid);
                true
            }
            1 => {
                end.attach(xid);
                false
            }
            _ => false,
        };
        if !parked {
            self.ran.insert(len);
        }
        self.handlers.push(Handler { xid, len, parked });
    }

    fn answer(&mut self, end: &mut End, handler: &Handler, outcome: Outcome, halves: Halves) {
        if handler.parked && !end.session.start(handler.xid) {
            return end.drop_handler(handler.xid);
        }
        self.ran.insert(handler.len);
        match outcome {
            Outcome::Value(size) => {
                let mut value = vec![0; size.len(0)];
                value[..4].copy_from_slice(&(handler.len as u32).to_be_bytes());
                let (staying, leaving) = leaving(end, halves);
                self.held.extend(staying);
                end.reply_with(handler.xid, &value, leaving);
            }
            Outcome::Fault => end.fault(handler.xid, FaultCode::App),
            Outcome::Dropped => end.drop_handler(handler.xid),
        }
    }
}

/// The end that a caller was told is its own, and true.
fn check_terminal(open: &Open, terminal: Terminal, ran: bool) {
    match terminal {
        Terminal::Reply(value) => {
            let value = match &value {
                Value::Copied(value) => &value[..],
                Value::Shared(value) => &value[..],
            };
            assert_eq!(value[..4], (open.len as u32).to_be_bytes(), "the value of another call");
            assert!(ran && !open.notify);
        }
        Terminal::Fault(fault) => assert!(!(fault.code.did_not_run() && ran), "it ran: {fault:?}"),
        Terminal::TimedOut { sent } => {
            assert!(open.timed && (sent || !ran), "timed out; sent {sent}, ran {ran}")
        }
        Terminal::Closed { sent } => assert!(sent || !ran, "closed; it ran unsent"),
        Terminal::Sent => assert!(open.notify),
    }
}

/// Every call ends once, and nothing is left.
fn run(deeds: &[(Side, Deed)]) {
    let mut storm = Storm::new();
    for (side, deed) in deeds {
        storm.step(*side, deed);
    }
    storm.calm();
    if !storm.is_closed() && !storm.client.drains && !storm.server.drains {
        storm.fill();
    }
}

/// What happens by chance.
#[cfg(test)]
mod chance {
    use super::*;
    use crate::tests::proptest_config;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn deed() -> impl Strategy<Value = Deed> {
        let nested = || prop::bool::weighted(0.2);
        let within = || prop::option::weighted(0.3, 1..100_u64);
        prop_oneof![
            60 => (size(), nested(), within(), 1..12_usize, halves()).prop_map(
                |(size, nested, within, times, halves)| Deed::Call { size, nested, within, times, halves }
            ),
            20 => (size(), nested(), within(), halves())
                .prop_map(|(size, nested, within, halves)| Deed::Notify { size, nested, within, halves }),
            40 => pick().prop_map(Deed::Look),
            40 => pick().prop_map(Deed::Abandon),
            80 => (pick(), outcome(), halves())
                .prop_map(|(which, outcome, halves)| Deed::Answer(which, outcome, halves)),
            80 => (pick(), size(), 1..8_usize, halves())
                .prop_map(|(which, size, times, halves)| Deed::Send(which, size, times, halves)),
            50 => pick().prop_map(Deed::Take),
            15 => pick().prop_map(Deed::Leave),
            10 => Just(Deed::FinishNote),
            60 => Just(Deed::Flush),
            90 => prop_oneof![1..64_usize, 1..4096_usize, 1..200_000_usize].prop_map(Deed::Carry),
            10 => (1..60_u64).prop_map(Deed::Pass),
            1 => Just(Deed::Drain),
            1 => Just(Deed::Close),
            1 => Just(Deed::Cut),
        ]
    }

    fn halves() -> impl Strategy<Value = Halves> {
        let halves = |receiving, sending| Just(Halves { receiving, sending });
        prop_oneof![8 => halves(0, 0), 2 => halves(1, 0), 2 => halves(0, 1), 1 => halves(2, 1)]
    }

    fn size() -> impl Strategy<Value = Size> {
        prop_oneof![8 => Just(Size::Small), 3 => Just(Size::Large), 1 => Just(Size::TooLarge)]
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![4 => size().prop_map(Outcome::Value), 1 => Just(Outcome::Fault), 1 => Just(Outcome::Dropped)]
    }

    fn side() -> impl Strategy<Value = Side> {
        prop_oneof![Just(Side::Connecting), Just(Side::Accepting)]
    }

    fn pick() -> impl Strategy<Value = Pick> {
        any::<u64>().prop_map(Pick)
    }

    fn deeds() -> impl Strategy<Value = Vec<(Side, Deed)>> {
        vec((side(), deed()), 1..250)
    }

    proptest! {
        #![proptest_config(proptest_config(120))]

        #[test]
        fn whatever_happens_every_call_ends_once_and_nothing_is_left(deeds in deeds()) {
            run(&deeds);
        }
    }
}

/// What happens as a fuzzer's bytes say.
#[cfg(fuzzing)]
mod bytes {
    use super::*;

    pub fn run_by(bytes: &[u8]) {
        let mut source = Source(bytes);
        let mut deeds = Vec::new();
        while !source.0.is_empty() && deeds.len() < 250 {
            deeds.push((source.side(), source.deed()));
        }
        run(&deeds);
    }

    /// Zeros follow its end.
    struct Source<'a>(&'a [u8]);

    impl Source<'_> {
        fn byte(&mut self) -> u8 {
            self.0.split_off_first().copied().unwrap_or(0)
        }

        fn below(&mut self, end: u8) -> u8 {
            self.byte() % end
        }

        fn number(&mut self, end: u64) -> u64 {
            u64::from(u32::from_le_bytes([0; 4].map(|_: u8| self.byte()))) % end
        }

        fn side(&mut self) -> Side {
            if self.below(2) == 0 { Side::Connecting } else { Side::Accepting }
        }

        fn pick(&mut self) -> Pick {
            Pick(self.byte().into())
        }

        fn size(&mut self) -> Size {
            match self.below(12) {
                0..8 => Size::Small,
                8..11 => Size::Large,
                _ => Size::TooLarge,
            }
        }

        fn nested(&mut self) -> bool {
            self.below(5) == 0
        }

        fn within(&mut self) -> Option<Millis> {
            (self.below(3) == 0).then(|| 1 + self.number(99))
        }

        fn halves(&mut self) -> Halves {
            let (receiving, sending) = match self.below(13) {
                0..8 => (0, 0),
                8..10 => (1, 0),
                10..12 => (0, 1),
                _ => (2, 1),
            };
            Halves { receiving, sending }
        }

        fn outcome(&mut self) -> Outcome {
            match self.below(6) {
                0..4 => Outcome::Value(self.size()),
                4 => Outcome::Fault,
                _ => Outcome::Dropped,
            }
        }

        fn deed(&mut self) -> Deed {
            match self.below(60) {
                0..6 => Deed::Call {
                    size: self.size(),
                    nested: self.nested(),
                    within: self.within(),
                    times: 1 + usize::from(self.below(11)),
                    halves: self.halves(),
                },
                6..8 => Deed::Notify {
                    size: self.size(),
                    nested: self.nested(),
                    within: self.within(),
                    halves: self.halves(),
                },
                8..12 => Deed::Look(self.pick()),
                12..16 => Deed::Abandon(self.pick()),
                16..24 => Deed::Answer(self.pick(), self.outcome(), self.halves()),
                24..32 => Deed::Send(self.pick(), self.size(), 1 + usize::from(self.below(7)), self.halves()),
                32..37 => Deed::Take(self.pick()),
                37..39 => Deed::Leave(self.pick()),
                39 => Deed::FinishNote,
                40..46 => Deed::Flush,
                46..55 => Deed::Carry(1 + self.number(200_000) as usize),
                55..57 => Deed::Pass(1 + self.number(59)),
                57 => Deed::Drain,
                58 => Deed::Close,
                _ => Deed::Cut,
            }
        }
    }
}
