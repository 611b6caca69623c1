//! Two honest sessions, and whatever their callers, their handlers, the clock and the network do to
//! them, in any order.

use super::pair::{ADD, Ask, CallId, End, Pair, Spoken, roomy};
use super::proptest_config;
use crate::proto::Millis;
use crate::proto::calls::{Terminal, Value};
use crate::proto::fault::{FaultCode, GoawayCode};
use crate::proto::hello::Settings;
use crate::proto::xid::{Side, Xid};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{HashMap, HashSet};

/// One thing that happens at one end.
#[derive(Clone, Debug)]
enum Deed {
    Call {
        size: Size,
        nested: bool,
        within: Option<Millis>,
        times: usize,
    },
    Notify {
        size: Size,
        nested: bool,
        within: Option<Millis>,
    },
    /// A caller looks whether its call is over.
    Look(Index),
    Abandon(Index),
    Answer(Index, Way),
    FinishNote,
    Flush,
    /// So many written bytes arrive at the other end.
    Carry(usize),
    Pass(Millis),
    Drain,
    Close,
    /// The network is gone, with all that was on its way.
    Cut,
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
enum Way {
    Value(Size),
    Fault,
    Dropped,
}

fn deed() -> impl Strategy<Value = Deed> {
    let nested = || prop::bool::weighted(0.2);
    let within = || prop::option::weighted(0.3, 1..100_u64);
    prop_oneof![
        60 => (size(), nested(), within(), 1..12_usize)
            .prop_map(|(size, nested, within, times)| Deed::Call { size, nested, within, times }),
        20 => (size(), nested(), within()).prop_map(|(size, nested, within)| Deed::Notify { size, nested, within }),
        40 => any::<Index>().prop_map(Deed::Look),
        40 => any::<Index>().prop_map(Deed::Abandon),
        80 => (any::<Index>(), way()).prop_map(|(which, way)| Deed::Answer(which, way)),
        10 => Just(Deed::FinishNote),
        60 => Just(Deed::Flush),
        90 => prop_oneof![1..64_usize, 1..4096_usize, 1..200_000_usize].prop_map(Deed::Carry),
        10 => (1..60_u64).prop_map(Deed::Pass),
        1 => Just(Deed::Drain),
        1 => Just(Deed::Close),
        1 => Just(Deed::Cut),
    ]
}

fn size() -> impl Strategy<Value = Size> {
    prop_oneof![8 => Just(Size::Small), 3 => Just(Size::Large), 1 => Just(Size::TooLarge)]
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![4 => size().prop_map(Way::Value), 1 => Just(Way::Fault), 1 => Just(Way::Dropped)]
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Connecting), Just(Side::Accepting)]
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

/// What is known of one end beside its session.
struct Witness {
    side: Side,
    ours: Settings,
    open: Vec<Open>,
    handlers: Vec<Handler>,
    serial: u32,
    /// Lengths of the calls and notifies of the other end that ran here, or may have.
    ran: HashSet<usize>,
    /// The highest xid of a request said.
    highest: Xid,
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
            serial: 0,
            ran: HashSet::new(),
            highest: 0,
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
                assert!(self.side.owns(xid) && xid > self.highest, "{xid} after {}", self.highest);
                self.highest = xid;
                self.unanswered.insert(xid);
            }
            Spoken::Cancel(xid) => assert!(xid <= self.highest, "the cancel of {xid} overtook its request"),
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
}

impl Storm {
    fn new() -> Storm {
        let client = Settings { max_in_flight: 16, ..roomy(64 << 10, 64 << 10) };
        let server = Settings { max_in_flight: 20, ..roomy(96 << 10, 128 << 10) };
        Storm {
            pair: Pair::new(client.clone(), server.clone()),
            client: Witness::new(Side::Connecting, client),
            server: Witness::new(Side::Accepting, server),
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
            Deed::Call { size, nested, within, times } => {
                for _ in 0..times {
                    witness.ask(end, size, nested, within, false);
                }
            }
            Deed::Notify { size, nested, within } => witness.ask(end, size, nested, within, true),
            Deed::Look(which) if !witness.open.is_empty() => {
                let at = which.index(witness.open.len());
                self.look(side, at);
            }
            Deed::Abandon(which) if !witness.open.is_empty() => {
                let open = witness.open.swap_remove(which.index(witness.open.len()));
                end.abandon(open.call);
            }
            Deed::Answer(which, way) if !witness.handlers.is_empty() => {
                let handler = witness.handlers.swap_remove(which.index(witness.handlers.len()));
                witness.answer(end, &handler, way);
            }
            Deed::FinishNote if !end.notes.is_empty() => drop(end.finish_note()),
            Deed::Flush => end.flush(),
            Deed::Carry(bytes) if side == Side::Connecting => self.pair.carry(bytes, 0),
            Deed::Carry(bytes) => self.pair.carry(0, bytes),
            Deed::Pass(time) => self.pair.pass(time),
            Deed::Drain => {
                witness.drains = true;
                end.drain();
            }
            Deed::Close => end.close(),
            Deed::Cut => self.cut(),
            Deed::Look(_) | Deed::Abandon(_) | Deed::Answer(..) | Deed::FinishNote => {}
        }
        self.check();
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
        let Some(terminal) = end.end_of(witness.open[at].call) else { return };
        let open = witness.open.swap_remove(at);
        assert_eq!(end.end_of(open.call), None, "a second end after {terminal:?}");
        let ran = self.at(side.other()).1.ran.contains(&open.len);
        check_terminal(&open, terminal, ran);
    }

    /// What holds at any time.
    fn check(&mut self) {
        for side in [Side::Connecting, Side::Accepting] {
            let (end, witness) = self.at(side);
            assert_eq!(end.breach, None);
            end.heard().iter().for_each(|spoken| witness.on_heard(spoken));
            end.wrote().iter().for_each(|spoken| witness.on_said(spoken));
            while let Some(inquiry) = end.inquiries.pop_front() {
                witness.serve(end, inquiry.xid, inquiry.args.len());
            }
            witness.ran.extend(end.notes.iter().map(|note| note.len));
            assert!(end.session.rows().1 as u64 <= witness.ours.max_in_flight);
        }
        assert!(self.client.unanswered.len() as u64 <= self.server.ours.max_in_flight);
        assert!(self.server.unanswered.len() as u64 <= self.client.ours.max_in_flight);
    }

    /// All bytes arrive, all handlers end, all callers look.
    fn calm(&mut self) {
        let mut busy = true;
        while std::mem::take(&mut busy) {
            self.carry_all();
            for side in [Side::Connecting, Side::Accepting] {
                let (end, witness) = self.at(side);
                for handler in std::mem::take(&mut witness.handlers) {
                    busy = true;
                    witness.answer(end, &handler, Way::Value(Size::Small));
                }
                while !end.notes.is_empty() {
                    busy = true;
                    end.finish_note();
                }
            }
        }
        for side in [Side::Connecting, Side::Accepting] {
            for last in (0..self.at(side).1.open.len()).rev() {
                self.look(side, last);
                assert_eq!(self.at(side).1.open.len(), last, "a caller of the {side:?} end waits for ever");
            }
        }
        self.pair.expect_no_rows();
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

impl Witness {
    fn ask(&mut self, end: &mut End, size: Size, nested: bool, within: Option<Millis>, notify: bool) {
        self.serial += 1;
        let len = size.len(self.serial);
        let mut ask: Ask = ADD.of(len);
        if nested {
            ask = ask.nested();
        }
        if let Some(timeout) = within {
            ask = ask.within(timeout);
        }
        let call = if notify { end.notify(ask) } else { end.call(ask) };
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

    fn answer(&mut self, end: &mut End, handler: &Handler, way: Way) {
        if handler.parked && !end.session.start(handler.xid) {
            return end.drop_handler(handler.xid);
        }
        self.ran.insert(handler.len);
        match way {
            Way::Value(size) => {
                let mut value = vec![0; size.len(0)];
                value[..4].copy_from_slice(&(handler.len as u32).to_be_bytes());
                end.reply(handler.xid, &value);
            }
            Way::Fault => end.fault(handler.xid, FaultCode::App),
            Way::Dropped => end.drop_handler(handler.xid),
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

proptest! {
    #![proptest_config(proptest_config(120))]

    #[test]
    fn whatever_happens_every_call_ends_once_and_nothing_is_left(deeds in vec((side(), deed()), 1..250)) {
        let mut storm = Storm::new();
        for (side, deed) in &deeds {
            storm.step(*side, deed);
        }
        storm.calm();
        if !storm.is_closed() && !storm.client.drains && !storm.server.drains {
            storm.fill();
        }
    }
}
