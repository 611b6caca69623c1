//! The floor: plain bytes behind a length, answered by the reader itself, in order, so that calls need no number.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::message::Plain;
use super::outbox::{Outbox, Pace};
use super::{Echo, frame};
use crate::Result;
use crate::address::Stream;
use crate::peer::Peer;

pub struct ByHand;

impl Peer for ByHand {
    type Client = Asker;

    async fn open<S: Stream>(stream: S) -> Result<Asker> {
        let (reading, writing) = stream.halves();
        let shared = Arc::<Shared>::default();
        tokio::spawn({
            let shared = Arc::clone(&shared);
            async move { shared.outbox.write_to(writing, Pace::Yielding).await }
        });
        tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                let outcome = shared.read_from(reading).await;
                shared.waiting().clear();
                outcome
            }
        });
        Ok(Asker(shared))
    }

    async fn answer<S: Stream>(stream: S) -> Result<()> {
        let (mut reading, mut writing) = stream.halves();
        let (mut inbox, mut replies) = (BytesMut::with_capacity(READ), BytesMut::new());
        while reading.read_buf(&mut inbox).await? > 0 {
            while let Some(request) = frame::take(&mut inbox) {
                frame::put(&mut replies, &request);
            }
            writing.write_all(&replies).await?;
            replies.clear();
            inbox.reserve(READ);
        }
        Ok(())
    }
}

/// The room for one read, so that a read can take all that came.
const READ: usize = 64 * 1024;

#[derive(Clone)]
pub struct Asker(Arc<Shared>);

#[derive(Default)]
struct Shared {
    outbox: Outbox,
    waiting: Mutex<VecDeque<oneshot::Sender<Plain>>>,
}

impl Echo for Asker {
    type Load = Plain;

    async fn echo(&self, load: Plain) -> Result<Plain> {
        let (answer, answered) = oneshot::channel();
        self.0.outbox.push(|buffer| {
            self.0.waiting().push_back(answer);
            frame::put(buffer, &load);
        });
        Ok(answered.await?)
    }
}

impl Shared {
    async fn read_from(&self, mut reading: impl AsyncRead + Unpin) -> Result<()> {
        let mut inbox = BytesMut::with_capacity(READ);
        while reading.read_buf(&mut inbox).await? > 0 {
            while let Some(reply) = frame::take(&mut inbox) {
                let answer = self.waiting().pop_front().ok_or("a reply that nobody waits for")?;
                // A caller may have gone.
                let _ = answer.send(Plain::try_from(&reply[..])?);
            }
            inbox.reserve(READ);
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<oneshot::Sender<Plain>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
