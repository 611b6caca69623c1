//! Frames on their way out: a shared buffer, and the task that writes it.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use crate::Result;

/// When a writer that was woken writes.
#[derive(Clone, Copy, PartialEq)]
pub enum Pace {
    /// At once, as one would have it at first.
    Prompt,
    /// After the tasks that are ready now, which have frames to add: one write for all of them.
    Yielding,
}

#[derive(Default)]
pub struct Outbox {
    buffer: Mutex<BytesMut>,
    filled: Notify,
}

impl Outbox {
    /// `fill` runs under the lock, so what else it does happens in the order of the frames.
    pub fn push<T>(&self, fill: impl FnOnce(&mut BytesMut) -> T) -> T {
        let outcome = fill(&mut self.buffer());
        self.filled.notify_one();
        outcome
    }

    /// Writes whatever comes, until the stream breaks.
    pub async fn write_to(&self, mut stream: impl AsyncWrite + Unpin, pace: Pace) -> Result<()> {
        let mut batch = BytesMut::new();
        loop {
            self.filled.notified().await;
            if pace == Pace::Yielding {
                tokio::task::yield_now().await;
            }
            mem::swap(&mut batch, &mut self.buffer());
            stream.write_all(&batch).await?;
            batch.clear();
        }
    }

    fn buffer(&self) -> MutexGuard<'_, BytesMut> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
