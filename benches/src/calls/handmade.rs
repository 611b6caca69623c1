//! What one would write in place of a framework: MessagePack behind a length and a call number, a task for every
//! request, a writer task over a shared buffer, and a oneshot for every waiting call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::oneshot;

use super::message::Message;
use super::outbox::{Outbox, Pace};
use super::{Echo, frame};
use crate::Result;
use crate::address::Stream;
use crate::peer::Peer;

/// Its writers yield before they write, or do not.
pub struct Handmade<const YIELDS: bool>;

impl<const YIELDS: bool> Peer for Handmade<YIELDS> {
    type Client = Asker;

    async fn open<S: Stream>(stream: S) -> Result<Asker> {
        let (reading, writing) = stream.halves();
        let shared = Arc::<Shared>::default();
        tokio::spawn({
            let shared = Arc::clone(&shared);
            async move { shared.outbox.write_to(writing, pace::<YIELDS>()).await }
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
        let (mut reading, writing) = stream.halves();
        let outbox = Arc::<Outbox>::default();
        let writer = tokio::spawn({
            let outbox = Arc::clone(&outbox);
            async move { outbox.write_to(writing, pace::<YIELDS>()).await }
        });
        let mut inbox = BytesMut::with_capacity(READ);
        while reading.read_buf(&mut inbox).await? > 0 {
            while let Some(request) = frame::take(&mut inbox) {
                tokio::spawn(reply(request, Arc::clone(&outbox)));
            }
            inbox.reserve(READ);
        }
        writer.abort();
        Ok(())
    }
}

const fn pace<const YIELDS: bool>() -> Pace {
    if YIELDS { Pace::Yielding } else { Pace::Prompt }
}

/// The room for one read, so that a read can take all that came.
const READ: usize = 64 * 1024;

async fn reply(mut request: BytesMut, outbox: Arc<Outbox>) -> Result<()> {
    let number = request.try_get_u64()?;
    let message = rmp_serde::from_slice::<Message>(&request)?;
    message.handled().await;
    outbox.push(|buffer| put_numbered(buffer, number, &message))
}

fn put_numbered(buffer: &mut BytesMut, number: u64, message: &Message) -> Result<()> {
    frame::put_with(buffer, |buffer| {
        buffer.put_u64(number);
        Ok(rmp_serde::encode::write(&mut buffer.writer(), message)?)
    })
}

#[derive(Clone)]
pub struct Asker(Arc<Shared>);

#[derive(Default)]
struct Shared {
    outbox: Outbox,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<BytesMut>>>,
}

impl Echo for Asker {
    type Load = Message;

    async fn echo(&self, message: Message) -> Result<Message> {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.0.waiting().insert(number, answer);
        self.0.outbox.push(|buffer| put_numbered(buffer, number, &message))?;
        Ok(rmp_serde::from_slice(&answered.await?)?)
    }
}

impl Shared {
    async fn read_from(&self, mut reading: impl AsyncRead + Unpin) -> Result<()> {
        let mut inbox = BytesMut::with_capacity(READ);
        while reading.read_buf(&mut inbox).await? > 0 {
            while let Some(mut reply) = frame::take(&mut inbox) {
                let number = reply.try_get_u64()?;
                let answer = self.waiting().remove(&number).ok_or("a reply that nobody waits for")?;
                // A caller may have gone.
                let _ = answer.send(reply);
            }
            inbox.reserve(READ);
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<BytesMut>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
