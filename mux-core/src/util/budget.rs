//! A task's share of its runtime: what is ready at once spends of tokio's cooperative budget, as tokio's own
//! channels do. Who loops over it returns to the runtime now and then, so that timers, sockets and other tasks
//! of the same thread get their turn. Outside of a runtime's tasks there is no budget, and nothing is spent.

use std::task::{Context, Poll, ready};
use tokio::task::coop;

/// Items at hand that cost one unit together: a unit costs as much as a tenth of decoding a small item.
const ITEMS: usize = 8;

/// Spends a unit. `Pending` where none is left: the task is polled again when others have had their turn.
#[inline]
pub(crate) fn poll_spend(cx: &mut Context<'_>) -> Poll<()> {
    coop::poll_proceed(cx).map(|unit| unit.made_progress())
}

/// Spends a unit on what may be ready; it is given back where that is not.
#[inline]
pub(crate) fn poll_with<T>(cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    let unit = ready!(coop::poll_proceed(cx));
    let polled = poll(cx);
    if polled.is_ready() {
        unit.made_progress();
    }
    polled
}

/// Spends a unit before every eighth of the items at hand, by how many are left or were taken.
#[inline]
pub(crate) fn poll_item(count: usize, cx: &mut Context<'_>) -> Poll<()> {
    if count.is_multiple_of(ITEMS) { poll_spend(cx) } else { Poll::Ready(()) }
}

/// Spends a unit.
pub(crate) async fn spend() {
    std::future::poll_fn(poll_spend).await;
}
