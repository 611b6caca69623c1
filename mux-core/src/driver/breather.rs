//! When a driver lets other tasks run, and when it sleeps.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes moved before other tasks get a turn by way of the runtime's own queue. A task that only
/// wakes itself starves the I/O driver.
const BULK: usize = 128 << 10;

/// Looks at a stream that moves nothing, within a large message or a write or between calls, before the driver sleeps: a
/// peer on the same machine moves on sooner than a sleeping thread is woken.
const LOOKS: u8 = 64;

/// Looking takes no longer: a runtime that has more to do in between comes back to the stream anyhow.
const LONGEST: Duration = Duration::from_micros(100);

/// Looks that are won where one flusher: as an eighth is lost in vain, half of all stay where half of them help.
const GAIN: u8 = 4;

/// Sleeps, where no looks are left, before all of them are tried again: two a sleep. Where both ends have none, fewer do
/// not reach beyond the time in which the peer wakes, and neither finds out that it would pay.
const SLEEPS: u8 = 32;

/// Lets other tasks run: at once after little, by way of the runtime after much.
#[derive(Default)]
pub(crate) struct Breather {
    moved: usize,
    /// The task is polled again anyhow.
    comes_back: bool,
    yielding: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    patience: Patience,
}

impl Breather {
    pub(crate) fn count(&mut self, bytes: usize) {
        self.moved += bytes;
        if bytes > 0 {
            self.patience.rewarded();
        }
    }

    /// Has the task polled again.
    pub(crate) fn come_back(&mut self, cx: &mut Context<'_>) {
        self.comes_back = true;
        if self.moved < BULK {
            return cx.waker().wake_by_ref();
        }
        self.moved = 0;
        self.let_run(cx);
    }

    /// Has the task polled again where the stream may move soon.
    pub(crate) fn look_again(&mut self, now: Instant, cx: &mut Context<'_>) {
        if !self.comes_back && self.patience.lasts(now) {
            self.let_run(cx);
        }
    }

    fn let_run(&mut self, cx: &mut Context<'_>) {
        self.yielding = Some(Box::pin(tokio::task::yield_now()));
        if self.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    pub(crate) fn is_yielding(&self) -> bool {
        self.yielding.is_some()
    }

    /// `Ready` when the others have had their turn.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(yielding) = &mut self.yielding {
            ready!(yielding.as_mut().poll(cx));
            self.yielding = None;
        }
        self.comes_back = false;
        Poll::Ready(())
    }
}

/// How often to look before sleeping: often while that helps, hardly ever where it does not, as on a slow way.
struct Patience {
    looks: u8,
    /// Looks in vain, in a row.
    spent: u8,
    /// When they began.
    since: Option<Instant>,
    /// Sleeps since no looks are left. At [`SLEEPS`] the looks are a trial.
    sleeps: u8,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { looks: LOOKS, spent: 0, since: None, sleeps: 0 }
    }
}

impl Patience {
    /// Something moved.
    fn rewarded(&mut self) {
        if self.spent > 0 {
            *self = Patience { looks: LOOKS.min(self.looks + GAIN), ..Patience::default() };
        }
    }

    /// Nothing moved: whether to look again.
    fn lasts(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let lasts = self.spent < self.looks && now < since + LONGEST;
        if lasts {
            self.spent += 1;
        } else {
            self.sleep();
        }
        lasts
    }

    fn sleep(&mut self) {
        self.since = None;
        self.spent = 0;
        let was_a_trial = self.sleeps == SLEEPS;
        if was_a_trial {
            (self.looks, self.sleeps) = (0, 0);
        } else if self.looks > 0 {
            self.looks -= self.looks.div_ceil(8);
        } else {
            self.sleeps += 1;
            self.looks = if self.sleeps == SLEEPS { LOOKS } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it looks before it sleeps, when nothing moves.
    fn looks(patience: &mut Patience) -> usize {
        let now = Instant::now();
        std::iter::repeat_with(|| patience.lasts(now)).take_while(|lasts| *lasts).count()
    }

    fn exhausted() -> Patience {
        let mut patience = Patience::default();
        while looks(&mut patience) > 0 {}
        patience
    }

    #[test]
    fn looks_in_vain_become_few() {
        let mut patience = Patience::default();
        let counts: Vec<_> = (0..4).map(|_| looks(&mut patience)).collect();
        assert_eq!(counts, [64, 56, 49, 42]);
        let mut patience = exhausted();
        let few: usize = (0..1_000).map(|_| looks(&mut patience)).sum();
        assert!((1_800..2_000).contains(&few), "{few}");
    }

    #[test]
    fn a_trial_in_vain_takes_all_away() {
        let mut patience = exhausted();
        let counts: Vec<_> = (0..2 * 33).map(|_| looks(&mut patience)).collect();
        assert_eq!(counts.iter().filter(|looks| **looks > 0).collect::<Vec<_>>(), [&64, &64]);
    }

    #[test]
    fn a_trial_that_flusher_brings_all_back() {
        let mut patience = exhausted();
        while !patience.lasts(Instant::now()) {}
        patience.rewarded();
        let counts: Vec<_> = (0..3).map(|_| looks(&mut patience)).collect();
        assert_eq!(counts, [64, 56, 49]);
    }

    #[test]
    fn one_that_flusher_brings_some_back() {
        let mut patience = Patience::default();
        (0..3).for_each(|_| _ = looks(&mut patience));
        let counts = [(); 8].map(|()| {
            assert!(patience.lasts(Instant::now()));
            patience.rewarded();
            patience.looks
        });
        assert_eq!(counts, [46, 50, 54, 58, 62, 64, 64, 64]);
    }

    #[test]
    fn looking_takes_so_long_at_most() {
        let begun = Instant::now();
        let mut patience = Patience::default();
        assert!(patience.lasts(begun));
        assert!(patience.lasts(begun + LONGEST - Duration::from_nanos(1)));
        assert!(!patience.lasts(begun + LONGEST));
        assert!(patience.lasts(begun + LONGEST), "a sleep begins anew");
        patience.rewarded();
        assert!(patience.lasts(begun + 2 * LONGEST), "a reward does too");
    }

    #[test]
    fn what_moves_after_a_sleep_is_no_reward() {
        let mut patience = Patience::default();
        looks(&mut patience);
        patience.rewarded();
        assert_eq!(looks(&mut patience), 56);
    }
}
