//! Outbox -> bytes, in batches. Holds what is taken until the stream has taken it.

use crate::link::shared::Shared;
use mux_proto::Millis;
use mux_proto::session::outbox::Batch;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;

/// Parts of a batch given to one `writev`.
const SLICES: usize = 16;

#[derive(Default)]
pub(crate) struct Writer {
    batch: Batch,
    /// The stream may hold bytes back until it is flushed.
    unflushed: bool,
}

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// All that was taken is written. More may be queued.
    Done,
    /// The stream takes no more now.
    Blocked,
}

impl Writer {
    /// Writes what is left of the last batch and one more. The `usize` is how many bytes the stream took.
    pub(crate) fn poll_flush<W: AsyncWrite>(
        &mut self,
        mut stream: Pin<&mut W>,
        shared: &Shared,
        now: Millis,
        cx: &mut Context<'_>,
    ) -> io::Result<(Flush, usize)> {
        let mut written = 0;
        let mut taken = false;
        loop {
            if self.batch.is_written() {
                if taken || !shared.take_batch(&mut self.batch, now) {
                    break;
                }
                taken = true;
            }
            match self.poll_write(stream.as_mut(), cx)? {
                Poll::Ready(bytes) => written += bytes,
                Poll::Pending => return Ok((Flush::Blocked, written)),
            }
        }
        if self.unflushed {
            match stream.poll_flush(cx)? {
                Poll::Ready(()) => self.unflushed = false,
                Poll::Pending => return Ok((Flush::Blocked, written)),
            }
        }
        Ok((Flush::Done, written))
    }

    /// The stream took less than it was given.
    #[inline]
    pub(crate) fn is_blocked(&self) -> bool {
        self.unflushed || !self.batch.is_written()
    }

    /// Gives back what nothing lies in.
    pub(crate) fn trim(&mut self) {
        if self.batch.is_written() {
            self.batch = Batch::default();
        }
    }

    fn poll_write<W: AsyncWrite>(
        &mut self,
        stream: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> io::Result<Poll<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(self.batch.parts()) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        let poll = match &slices[..count] {
            [one] => stream.poll_write(cx, one),
            many => stream.poll_write_vectored(cx, many),
        };
        match poll? {
            Poll::Ready(0) => Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(bytes) => {
                self.batch.advance(bytes);
                self.unflushed = true;
                Ok(Poll::Ready(bytes))
            }
            Poll::Pending => Ok(Poll::Pending),
        }
    }
}
