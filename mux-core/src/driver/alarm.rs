//! The runtime's clock, as the driver reads it and is woken by it.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use tokio::time::{Instant, Sleep};

/// Wakes the driver at a time. Setting it costs; asking whether it is due does not.
pub(crate) struct Alarm {
    at: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    /// Due at once: the first turn sets it.
    pub(crate) fn new(now: Instant) -> Alarm {
        Alarm { at: now, sleep: Box::pin(tokio::time::sleep_until(now)) }
    }

    pub(crate) fn now() -> Instant {
        Instant::now()
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now >= self.at
    }

    pub(crate) fn set(&mut self, at: Instant, cx: &mut Context<'_>) {
        self.at = at;
        self.sleep.as_mut().reset(at);
        if self.sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    pub(crate) fn no_later(&mut self, at: Instant, cx: &mut Context<'_>) {
        if at < self.at {
            self.set(at, cx);
        }
    }
}
