//! The floor: plain bytes behind a length, answered by the reader itself, in order, so that calls need no number.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::Bulk;
use crate::Result;
use crate::address::Stream;
use crate::peer::Peer;

pub struct ByHand;

impl Peer for ByHand {
    type Client = Asker;

    async fn open<S: Stream>(stream: S) -> Result<Asker> {
        let (reading, writing) = stream.halves();
        let (outbox, frames) = unbounded_channel();
        tokio::spawn(put_all(frames, writing));
        let shared = Arc::new(Shared { outbox, waiting: Mutex::default() });
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
        let (reading, mut writing) = stream.halves();
        let mut reading = BufReader::with_capacity(READ, reading);
        let mut body = Vec::new();
        while let Some(length) = length(&mut reading).await? {
            body.resize(length, 0);
            reading.read_exact(&mut body).await?;
            put(&mut writing, &body).await?;
        }
        Ok(())
    }
}

/// A read of small frames takes all that came.
const READ: usize = 64 * 1024;

/// The next frame's length; None at the end of the stream.
async fn length(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<usize>> {
    if stream.fill_buf().await?.is_empty() {
        return Ok(None);
    }
    Ok(Some(stream.read_u32().await? as usize))
}

/// The length and the body in one system call, the body from where it lies.
async fn put(stream: &mut (impl AsyncWrite + Unpin), body: &[u8]) -> Result<()> {
    let length = (body.len() as u32).to_be_bytes();
    Ok(stream.write_all_buf(&mut Buf::chain(&length[..], body)).await?)
}

#[derive(Clone)]
pub struct Asker(Arc<Shared>);

pub struct Shared {
    outbox: UnboundedSender<Bytes>,
    waiting: Mutex<VecDeque<oneshot::Sender<Bytes>>>,
}

impl Asker {
    async fn call(&self, body: Bytes) -> Result<Bytes> {
        let (answer, answered) = oneshot::channel();
        {
            // Under the lock, for answers come in the order of the frames.
            let mut waiting = self.0.waiting();
            waiting.push_back(answer);
            self.0.outbox.send(body)?;
        }
        Ok(answered.await?)
    }
}

impl Bulk for Asker {
    async fn blob(&self, blob: Bytes) -> Result<Bytes> {
        self.call(blob).await
    }

    async fn ping(&self, number: u64) -> Result<u64> {
        let answer = self.call(Bytes::copy_from_slice(&number.to_be_bytes())).await?;
        Ok(u64::from_be_bytes(answer[..].try_into()?))
    }
}

impl Shared {
    async fn read_from(&self, reading: impl AsyncRead + Unpin) -> Result<()> {
        let mut reading = BufReader::with_capacity(READ, reading);
        while let Some(length) = length(&mut reading).await? {
            let body = body(&mut reading, length).await?;
            let answer = self.waiting().pop_front().ok_or("a reply that nobody waits for")?;
            // A caller may have gone.
            let _ = answer.send(body);
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<oneshot::Sender<Bytes>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn put_all(mut frames: UnboundedReceiver<Bytes>, mut stream: impl AsyncWrite + Unpin) -> Result<()> {
    while let Some(body) = frames.recv().await {
        put(&mut stream, &body).await?;
    }
    Ok(())
}

/// Read to where it stays.
async fn body(stream: &mut (impl AsyncRead + Unpin), length: usize) -> Result<Bytes> {
    let mut body = BytesMut::with_capacity(length).limit(length);
    while body.has_remaining_mut() {
        if stream.read_buf(&mut body).await? == 0 {
            return Err("the stream ended within a frame".into());
        }
    }
    Ok(body.into_inner().freeze())
}
