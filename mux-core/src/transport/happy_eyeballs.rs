//! Which address of a name is tried when: Happy Eyeballs v2 (RFC 8305). Knows no sockets.
//!
//! The system's resolver gives the addresses of both families at once, in the order of RFC 6724, so sections 3 and 4
//! leave only the interleaving to do.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// From the begin of one attempt to the next: the "Connection Attempt Delay" of RFC 8305, section 8.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Addresses of a name that are tried, at most. Each may hold a socket until the first has connected.
const MAX_ADDRESSES: usize = 64;

/// Addresses that an error names, at most.
const MAX_NAMED: usize = 8;

/// The two families in turn, each in its own order, beginning with that of the first address (RFC 8305, section 4,
/// with a First Address Family Count of 1).
pub(super) fn interleave(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let (mut turn, mut other) = (VecDeque::new(), VecDeque::new());
    for address in addresses.into_iter().take(MAX_ADDRESSES) {
        let first = turn.front().unwrap_or(&address);
        if address.is_ipv6() == first.is_ipv6() { turn.push_back(address) } else { other.push_back(address) }
    }
    let mut interleaved = Vec::new();
    while let Some(address) = turn.pop_front() {
        interleaved.push(address);
        if !other.is_empty() {
            std::mem::swap(&mut turn, &mut other);
        }
    }
    interleaved
}

/// When which address is tried.
struct Schedule {
    untried: VecDeque<SocketAddr>,
    due: Instant,
}

impl Schedule {
    fn new(addresses: Vec<SocketAddr>, now: Instant) -> Schedule {
        Schedule { untried: addresses.into(), due: now }
    }

    /// The address to try now, if any is.
    fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        if now < self.due {
            return None;
        }
        self.due = now + ATTEMPT_DELAY;
        self.untried.pop_front()
    }

    /// An attempt failed: the next begins at once.
    fn hurry(&mut self, now: Instant) {
        self.due = now;
    }

    fn next_due(&self) -> Option<Instant> {
        (!self.untried.is_empty()).then_some(self.due)
    }
}

/// Connects to the first of the addresses that answers, until then.
///
/// # Errors
/// When none does. The error names each address that was tried, and what came of it.
pub(super) async fn connect<T, F: Future<Output = io::Result<T>>>(
    addresses: Vec<SocketAddr>,
    until: Instant,
    attempt: impl Fn(SocketAddr) -> F,
) -> io::Result<T> {
    let mut race = Race {
        schedule: Schedule::new(addresses, Instant::now()),
        attempts: Vec::new(),
        failures: Vec::new(),
        until,
        timer: Box::pin(sleep_until(until)),
    };
    poll_fn(|cx| race.poll(&attempt, cx)).await
}

struct Race<F> {
    schedule: Schedule,
    attempts: Vec<(SocketAddr, Pin<Box<F>>)>,
    failures: Vec<(SocketAddr, io::Error)>,
    until: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<T, F: Future<Output = io::Result<T>>> Race<F> {
    fn poll(&mut self, attempt: &impl Fn(SocketAddr) -> F, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            if let Some(connected) = self.poll_attempts(cx) {
                return Poll::Ready(Ok(connected));
            }
            let now = Instant::now();
            if now >= self.until {
                return Poll::Ready(Err(self.out_of_time()));
            }
            if let Some(address) = self.schedule.next(now) {
                self.attempts.push((address, Box::pin(attempt(address))));
                continue;
            }
            let due = self.schedule.next_due();
            if due.is_none() && self.attempts.is_empty() {
                return Poll::Ready(Err(self.failed()));
            }
            self.timer.as_mut().reset(due.map_or(self.until, |due| due.min(self.until)));
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Option<T> {
        let mut at = 0;
        while let Some((_, attempt)) = self.attempts.get_mut(at) {
            match attempt.as_mut().poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(Ok(connected)) => return Some(connected),
                Poll::Ready(Err(error)) => {
                    let (address, _) = self.attempts.remove(at);
                    self.failures.push((address, error));
                    self.schedule.hurry(Instant::now());
                }
            }
        }
        None
    }

    fn out_of_time(&mut self) -> io::Error {
        let unanswered =
            self.attempts.drain(..).map(|(address, _)| (address, io::ErrorKind::TimedOut.into()));
        self.failures.extend(unanswered);
        self.failed()
    }

    /// The kind is that of the last failure.
    fn failed(&mut self) -> io::Error {
        let failures = std::mem::take(&mut self.failures);
        let kind = failures.last().map_or(io::ErrorKind::NotFound, |(_, error)| error.kind());
        io::Error::new(kind, NoneAnswers(failures))
    }
}

/// The addresses that were tried, and why each failed.
#[derive(Debug)]
struct NoneAnswers(Vec<(SocketAddr, io::Error)>);

impl fmt::Display for NoneAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the name has no address");
        }
        let mut between = "";
        for (address, error) in self.0.iter().take(MAX_NAMED) {
            write!(f, "{between}{address}: {error}")?;
            between = "; ";
        }
        match self.0.len().saturating_sub(MAX_NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl StdError for NoneAnswers {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn numbered(count: u16) -> Vec<SocketAddr> {
        (1..=count).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect()
    }

    /// What an address does, by its port.
    async fn play(address: SocketAddr) -> io::Result<u16> {
        match address.port() {
            1..100 => std::future::pending().await,
            100..200 => Err(io::ErrorKind::ConnectionRefused.into()),
            ms => {
                tokio::time::sleep(Duration::from_millis(ms.into())).await;
                Ok(ms)
            }
        }
    }

    /// Tries addresses with these ports for ten seconds: the outcome, and the milliseconds it took.
    async fn race(ports: &[u16]) -> (Result<u16, String>, u128) {
        let addresses = ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect();
        let begun = Instant::now();
        let outcome = connect(addresses, begun + Duration::from_secs(10), play).await;
        (outcome.map_err(|error| error.to_string()), begun.elapsed().as_millis())
    }

    #[test]
    fn the_families_take_turns() {
        let [six_a, six_b, six_c] = ["[::1]:1", "[::2]:1", "[::3]:1"].map(address);
        let [four_a, four_b] = ["1.0.0.1:1", "1.0.0.2:1"].map(address);
        assert_eq!(interleave([six_a, six_b, six_c, four_a]), [six_a, four_a, six_b, six_c]);
        assert_eq!(interleave([four_a, six_a, six_b, four_b]), [four_a, six_a, four_b, six_b]);
        assert_eq!(interleave([four_a, four_b]), [four_a, four_b]);
        assert_eq!(interleave([]), []);
    }

    #[test]
    fn a_name_has_no_more_addresses_than_are_tried() {
        assert_eq!(interleave(numbered(1000)).len(), MAX_ADDRESSES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_first_address_costs_a_quarter_second() {
        assert_eq!(race(&[1, 300]).await, (Ok(300), 250 + 300));
        assert_eq!(race(&[1, 2, 3, 300]).await, (Ok(300), 3 * 250 + 300));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_address_is_tried_at_once_after_a_failure() {
        assert_eq!(race(&[100, 101, 300]).await, (Ok(300), 300));
        assert_eq!(race(&[1, 100, 300]).await, (Ok(300), 250 + 300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_first_address_may_still_win() {
        assert_eq!(race(&[400, 900]).await, (Ok(400), 400));
        assert_eq!(race(&[900, 400]).await, (Ok(400), 250 + 400));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_has_begun_goes_on_until_the_time_is_over() {
        assert_eq!(race(&[9_000, 1]).await, (Ok(9_000), 9_000));
    }

    #[tokio::test(start_paused = true)]
    async fn the_error_names_each_address_and_what_it_said() {
        let (error, took) = race(&[1, 100]).await;
        assert_eq!(error.unwrap_err(), "127.0.0.1:100: connection refused; 127.0.0.1:1: timed out");
        assert_eq!(took, 10_000);
        let (error, took) = race(&[100, 101]).await;
        assert_eq!(
            error.unwrap_err(),
            "127.0.0.1:100: connection refused; 127.0.0.1:101: connection refused"
        );
        assert_eq!(took, 0);
        assert_eq!(race(&[]).await, (Err("the name has no address".to_owned()), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_error_names_eight_addresses_at_most() {
        let ports: Vec<u16> = (100..150).collect();
        let error = race(&ports).await.0.unwrap_err();
        assert!(error.ends_with("127.0.0.1:107: connection refused; and 42 more"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_begin_a_quarter_second_apart() {
        let begun = Instant::now();
        let starts = Mutex::new(Vec::new());
        let attempt = |address| {
            starts.lock().unwrap().push(begun.elapsed().as_millis());
            play(address)
        };
        assert!(connect(numbered(4), begun + Duration::from_millis(600), attempt).await.is_err());
        assert_eq!(starts.into_inner().unwrap(), [0, 250, 500]);
        assert_eq!(begun.elapsed().as_millis(), 600);
    }
}
