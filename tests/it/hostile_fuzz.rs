//! Peers that talk at random, and mostly by the rules: frames of every kind, on ids that live and ids that
//! do not, whole and in chunks, true and false. No panic, nobody hangs, and others are served.

use crate::script::*;
use crate::victim::*;
use mux::Connection;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

/// How long to go on, unless `MUX_FUZZ_SECONDS` says otherwise, from the seed that `MUX_FUZZ_SEED` says.
const TIME: Duration = Duration::from_secs(2);

/// Longer than any peer here may keep anyone waiting.
const PATIENCE: Duration = Duration::from_secs(20);

/// A message of which chunks are still to come, and the halves that it carries.
struct Begun {
    id: u64,
    rest: Vec<u8>,
    said: bool,
    halves: Vec<(u64, u64)>,
}

/// A random peer, and what it knows of its own doings.
struct Talker {
    garbage: Garbage,
    side: u64,
    /// It breaks a rule once in so many times; never where this is zero.
    wild: usize,
    /// Its ids are this and every second one.
    next: u64,
    /// Requests, channels on which it sends and what that has cost, and those on which it receives.
    xids: Vec<u64>,
    sends: Vec<(u64, usize)>,
    receives: Vec<u64>,
    opened: usize,
    noted: usize,
    begun: Vec<Begun>,
}

impl Talker {
    fn new(seed: u64, side: u64) -> Talker {
        let mut garbage = Garbage(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (next, wild) = (2 - (1 - side), [0, 1000, 300, 50][garbage.below(4)]);
        let (xids, sends, receives, begun) = (vec![], vec![], vec![], vec![]);
        Talker { garbage, side, wild, next, xids, sends, receives, opened: 0, noted: 0, begun }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.garbage.below(bound)
    }

    /// Once in so many times.
    fn rarely(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn is_wild(&mut self) -> bool {
        self.wild > 0 && self.rarely(self.wild)
    }

    fn id(&mut self) -> u64 {
        self.next += 2;
        self.next - 2
    }

    fn any_id(&mut self) -> u64 {
        match self.below(6) {
            0 => 0,
            1 => u64::MAX - self.below(2) as u64,
            _ => self.below(self.next as usize + 8) as u64,
        }
    }

    fn new_id(&mut self) -> u64 {
        if self.is_wild() { self.any_id() } else { self.id() }
    }

    /// An id that the other end may have given out.
    fn theirs(&mut self) -> u64 {
        2 * self.below(12) as u64 + 2 - self.side
    }

    fn value(&mut self) -> Pack {
        match self.below(16) {
            0 => Pack::new().str("no number"),
            1 => Pack::new().nil(),
            2 => Pack::new().bin(&vec![7; [0, 1, 300, 2000][self.garbage.below(4)]]),
            3 => Pack::new().nested([1, 100, 200, 2000][self.garbage.below(4)]),
            4 => Pack::new().raw(&[0xc1]).raw(&self.garbage.bytes(20)),
            5 if self.rarely(3) => Pack::new().boundless(),
            6 => Pack::new().map(1).str("inside").nil(),
            _ => Pack::new().uint(self.garbage.next() >> self.garbage.below(64)),
        }
    }

    fn list(&mut self) -> Vec<(u64, u64)> {
        let count = if self.is_wild() { self.below(300) } else { self.below(4) };
        if self.opened + count > 250 && !self.is_wild() {
            return Vec::new();
        }
        self.opened += count;
        (0..count).map(|_| (self.new_id(), self.below(2) as u64)).collect()
    }

    fn meta(&mut self, list: &[(u64, u64)]) -> Pack {
        match self.below(8) {
            0 => Pack::new().map(2).str("channels").raw(halves(list).bytes()).str("timeout_ms").uint(30),
            1 if self.is_wild() => meta("tenant", &self.value()),
            _ if list.is_empty() => Pack::new().nil(),
            _ => carrying(list),
        }
    }

    /// Arguments that name so many halves; some are wrong.
    fn args(&mut self, halves: usize) -> Pack {
        let count = 1 + self.below(halves + 1);
        let head = Pack::new().array(count as u32);
        (0..count).fold(head, |pack, place| {
            let value = if self.rarely(5) { self.value() } else { Pack::new().uint(place as u64) };
            pack.raw(value.bytes())
        })
    }

    /// Arguments that suit a method, and halves for them.
    fn suiting(&mut self, method: &str) -> (Vec<(u64, u64)>, Pack) {
        let number = |number: usize| Pack::new().uint(number as u64);
        let one = |value: Pack| Pack::new().array(1).raw(value.bytes());
        let count = self.below(3000);
        match method {
            "echo" | "note" => (Vec::new(), text("hello")),
            "weigh" => (Vec::new(), one(Pack::new().bin(&vec![7; 20 * count]))),
            "sleep" => (Vec::new(), one(number(count % 5))),
            "count" | "pour" | "fetch" => (Vec::new(), one(number(count))),
            "listen" | "unpack" | "relay" => (vec![(self.new_id(), RECEIVING)], one(number(0))),
            "told" => (vec![(self.new_id(), SENDING)], one(number(0))),
            "recite" => (vec![(self.new_id(), SENDING)], Pack::new().array(2).uint(count as u64).uint(0)),
            "listen_to_both" => {
                let list = vec![(self.new_id(), RECEIVING), (self.new_id(), RECEIVING)];
                (list, Pack::new().array(2).uint(1).uint(0))
            }
            _ => (Vec::new(), no_args()),
        }
    }

    fn question(&mut self) -> (u64, Vec<(u64, u64)>, Pack) {
        const METHODS: [&str; 18] = [
            "echo",
            "sleep",
            "sum",
            "add",
            "weigh",
            "fetch",
            "withdraw",
            "audit",
            "count",
            "pour",
            "branch",
            "listen",
            "listen_to_both",
            "unpack",
            "relay",
            "recite",
            "steal",
            "note",
        ];
        let notifies = self.rarely(6) && (self.noted < 200 || self.is_wild());
        let method = if notifies { ["note", "told", "echo"][self.below(3)] } else { METHODS[self.below(18)] };
        let (list, args) = if method != "sleep" && (self.rarely(3) || self.opened > 240) {
            let list = self.list();
            let args = self.args(list.len());
            (list, args)
        } else {
            let (list, args) = self.suiting(method);
            self.opened += list.len();
            (list, args)
        };
        let (meta, xid, method) = (self.meta(&list), self.new_id(), format!("vault.{method}"));
        if notifies {
            self.noted += 1;
            return (xid, list, notify_with(&method, &meta, &args));
        }
        self.xids.push(xid);
        (xid, list, request_with(xid, &method, &meta, &args))
    }

    fn answer(&mut self) -> (u64, Vec<(u64, u64)>, Pack) {
        let (xid, list) = (self.theirs(), self.list());
        let (meta, value) = (self.meta(&list), self.value());
        if self.rarely(3) {
            let head = Pack::new().array(6).uint(3).uint(xid).raw(meta.bytes());
            let head = head.uint(self.below(40) as u64).str("so it goes");
            return (xid, list, head.raw(value.bytes()));
        }
        (xid, list, reply_with(xid, &meta, &value))
    }

    fn items(&mut self) -> (u64, Vec<(u64, u64)>, Pack) {
        let (wild, at) = (self.is_wild(), self.below(self.sends.len().max(1)));
        let channel = match self.sends.get(at) {
            Some(&(channel, spent)) if !wild && spent < 200_000 => channel,
            None if !wild => return self.question(),
            _ => self.any_id(),
        };
        let list = if self.rarely(6) { self.list() } else { Vec::new() };
        let values: Vec<Pack> = if self.rarely(12) {
            vec![Pack::new().bin(&vec![7; 30 * self.below(2000)])]
        } else {
            let count = 1 + self.below(6) as u64;
            let value = |place| if self.rarely(3) { self.value() } else { Pack::new().uint(place) };
            (0..count).map(value).collect()
        };
        let carried = if list.is_empty() { Pack::new().nil() } else { halves(&list) };
        let message = item_with(channel, &carried, &values);
        if let Some((_, spent)) = self.sends.get_mut(at) {
            *spent += 128 + message.bytes().len() + 256 * list.len();
        }
        (channel, list, message)
    }

    fn end(&mut self) -> Pack {
        if self.sends.is_empty() && !self.is_wild() {
            return ping(1);
        }
        let channel = if self.sends.is_empty() || self.is_wild() {
            self.any_id()
        } else {
            let at = self.below(self.sends.len());
            self.sends.swap_remove(at).0
        };
        // What comes behind it would be on a channel that is over.
        self.begun.retain(|begun| begun.id != channel);
        let (code, why) = (self.below(40) as u64, self.value());
        if self.rarely(2) { finish(channel) } else { fail(channel, code, "enough", &why) }
    }

    /// A channel that it receives on.
    fn receives(&mut self) -> Option<u64> {
        if self.is_wild() {
            return Some(if self.rarely(2) { self.theirs() } else { self.any_id() });
        }
        let at = self.below(self.receives.len().max(1));
        self.receives.get(at).copied()
    }

    fn is_whole(&mut self, list: Vec<(u64, u64)>) {
        for (id, half) in list {
            if half == RECEIVING { self.sends.push((id, 0)) } else { self.receives.push(id) }
        }
    }

    /// The next frame of a message that was begun.
    fn go_on(&mut self) -> Pack {
        let at = self.below(self.begun.len());
        if self.begun[at].said && self.rarely(12) {
            return given_up(self.begun.swap_remove(at).id);
        }
        let most = self.begun[at].rest.len();
        let len = if self.rarely(2) { most } else { 1 + self.garbage.below(most) };
        let Begun { id, rest, said, .. } = &mut self.begun[at];
        *said = true;
        let (id, data) = (*id, rest.drain(..len).collect::<Vec<u8>>());
        let mut left = rest.len() as u64;
        if left == 0 {
            let halves = self.begun.swap_remove(at).halves;
            self.is_whole(halves);
        }
        if self.is_wild() {
            left = self.garbage.next() >> self.garbage.below(64);
        }
        chunk(id, left, &data)
    }

    fn frame(&mut self) -> Pack {
        if !self.begun.is_empty() && self.rarely(3) {
            return self.go_on();
        }
        let (id, list, message) = match self.below(42) {
            0..=9 => self.question(),
            10 => self.answer(),
            11..=24 => self.items(),
            25..=27 => return self.end(),
            28..=29 => return self.receives().map_or_else(|| ping(2), stop),
            30..=33 => {
                let least = if self.rarely(20) { 0 } else { 44 };
                let total = self.garbage.next() >> (least + self.below(20));
                return self.receives().map_or_else(|| ping(3), |id| credit(id, total));
            }
            34..=35 => {
                let at = self.below(self.xids.len().max(1));
                return cancel(self.xids.get(at).copied().unwrap_or(5));
            }
            36 => return ping(self.garbage.next()),
            37 => return pong(self.garbage.next()),
            38 if self.is_wild() => return goaway(self.below(20) as u64, self.below(4) as u64, "so long"),
            39 if self.is_wild() => return Pack::new().raw(&self.garbage.bytes(40)),
            40 if self.rarely(4) => {
                let (id, _, oversize) = self.question();
                let rest = (17 << 20) + (self.garbage.next() >> 1);
                return chunk(id, rest, oversize.bytes());
            }
            _ => return Pack::new().array(2).uint(64 + self.below(1000) as u64).nil(),
        };
        // Some whole messages come in chunks, though they need not.
        let is_answer = message.bytes()[1] == 2 || message.bytes()[1] == 3;
        let chunked = message.bytes().len() > 16 << 10 || self.rarely(3) && !is_answer;
        if chunked && !self.begun.iter().any(|begun| begun.id == id) {
            self.begun.push(Begun { id, rest: message.bytes().to_vec(), said: false, halves: list });
            return self.go_on();
        }
        self.is_whole(list);
        message
    }

    fn talk(&mut self) -> Vec<u8> {
        let settings = match self.below(3) {
            0 => GENEROUS,
            1 => GENEROUS.map(|(name, value)| (name, if name == "window" { value } else { u64::MAX })),
            _ => allowing("max_channels", 2),
        };
        let mut said = hello(1, self.side, &settings).framed();
        for _ in 0..self.below(600) {
            said.extend(self.frame().framed());
        }
        if self.rarely(4) {
            said.truncate(said.len() - self.garbage.below(said.len().min(100)));
        }
        if self.is_wild() {
            let at = self.garbage.below(said.len());
            said[at] ^= 1 << self.garbage.below(8);
        }
        said
    }
}

/// Says all that in pieces of any size, and hears what comes. The frames that came whole.
async fn converse(stream: DuplexStream, said: Vec<u8>, mut garbage: Garbage) -> Vec<Seen> {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let hearing = tokio::spawn(async move {
        let mut heard = Vec::new();
        // Fails where the other end is gone, which is an end like any other.
        let _ = reading.read_to_end(&mut heard).await;
        heard
    });
    let mut rest = &said[..];
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(rest.len().min(1 + garbage.below(3000)));
        if writing.write_all(piece).await.is_err() {
            break;
        }
        rest = later;
        if garbage.below(3) == 0 {
            tokio::task::yield_now().await;
        }
    }
    if garbage.below(2) == 0 {
        hearing.abort();
        return Vec::new();
    }
    let _ = writing.shutdown().await;
    let heard = timeout(PATIENCE, hearing).await.expect("the other end hangs up").expect("it is heard");
    frames_of(&heard)
}

fn frames_of(mut heard: &[u8]) -> Vec<Seen> {
    let mut all = Vec::new();
    while let Some((prefix, rest)) = heard.split_first_chunk::<4>() {
        let Some(frame) = rest.get(..u32::from_be_bytes(*prefix) as usize) else { break };
        all.push(Seen::read(frame));
        heard = &rest[frame.len()..];
    }
    all
}

/// Calls by the dozen, which all end.
fn call_all(client: &VaultClient) -> Vec<tokio::task::JoinHandle<()>> {
    let mut all = Vec::new();
    for _ in 0..4 {
        let (count, echo) = (client.count(10).start(), client.echo("hi").start());
        let (mut sender, receiver) = mux::channel::<u64>();
        let (back, mut numbers) = mux::channel::<u64>();
        let (listen, recite) = (client.listen(receiver).start(), client.recite(9, back).start());
        all.push(tokio::spawn(async move {
            if let Ok(numbers) = count.await {
                transcript(numbers, u64::to_string).await;
            }
            drop(echo.await);
        }));
        all.push(tokio::spawn(async move {
            for number in 0..5000 {
                if sender.send(number).await.is_err() {
                    break;
                }
            }
            drop((sender, listen));
        }));
        all.push(tokio::spawn(async move {
            while let Ok(Some(_)) = numbers.recv().await {}
            drop(recite.await);
        }));
    }
    all
}

async fn survive(victim: &Victim, seed: u64) {
    let side = if seed.is_multiple_of(2) { CONNECTING } else { ACCEPTING };
    let said = Talker::new(seed, side).talk();
    let (here, there) = mux::pair();
    let end: Connection =
        if side == CONNECTING { victim.builder.accept(here) } else { victim.builder.open(here) };
    let calls = if side == ACCEPTING { call_all(&end.client()) } else { Vec::new() };
    let heard = converse(there, said, Garbage(seed)).await;
    let reason = timeout(PATIENCE, end.closed()).await.unwrap_or_else(|_| panic!("seed {seed} is not over"));
    assert!(is_the_peers_doing(&reason), "seed {seed}: {reason:?}");
    for call in calls {
        timeout(PATIENCE, call)
            .await
            .unwrap_or_else(|_| panic!("a call of seed {seed} hangs"))
            .expect("it ends");
    }
    let panicked = heard.iter().find(|seen| matches!(seen, Seen::Fault { code: 34, .. }));
    assert!(panicked.is_none(), "seed {seed}: {panicked:?}");
    eventually("handlers end", || victim.ledger.running() == 0).await;
}

static SEED: AtomicU64 = AtomicU64::new(0);

/// Goes through seeds until the time is over. A panic of a task would go unseen: here it is the end.
#[allow(clippy::print_stderr)] // it is the last word of a process
async fn survive_all() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        hook(panic);
        eprintln!("with seed {}", SEED.load(SeqCst));
        std::process::abort();
    }));
    let victim = Victim::new();
    let of = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (begun, time) = (Instant::now(), of("MUX_FUZZ_SECONDS").map_or(TIME, Duration::from_secs));
    let first = of("MUX_FUZZ_SEED").unwrap_or(1);
    let mut seed = first;
    while begun.elapsed() < time {
        SEED.store(seed, SeqCst);
        survive(&victim, seed).await;
        seed += 1;
    }
    victim.is_well().await;
    assert!(seed > first + 2, "{} seeds in all that time", seed - first);
}

#[test]
fn whatever_is_said_at_random_nobody_panics_or_hangs() {
    alone("hostile_fuzz::whatever_is_said_at_random_nobody_panics_or_hangs", survive_all());
}

#[test]
fn nor_where_many_threads_hear_it() {
    alone("hostile_fuzz::nor_where_many_threads_hear_it", async {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let surviving = std::thread::spawn(move || runtime.block_on(survive_all()));
        assert!(surviving.join().is_ok());
    });
}
