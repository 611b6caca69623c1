//! The stream of a connection, with what reads it and what writes it.

use crate::driver::reader::{PassEnd, Reader};
use crate::driver::writer::{Flush, Writer};
use crate::link::shared::{Shared, State};
use mux_proto::Millis;
use mux_proto::wire::settings::Settings;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) struct Io<S> {
    stream: Pin<Box<S>>,
    reader: Reader,
    writer: Writer,
}

impl<S: AsyncRead + AsyncWrite> Io<S> {
    pub(crate) fn new(stream: S, ours: &Settings) -> Io<S> {
        Io { stream: Box::pin(stream), reader: Reader::new(ours), writer: Writer::default() }
    }

    /// Writes what is left of the last batch and one more. The `usize` is how many bytes the stream took.
    #[inline]
    pub(crate) fn write(
        &mut self,
        shared: &Shared,
        now: Millis,
        cx: &mut Context<'_>,
    ) -> io::Result<(Flush, usize)> {
        self.writer.poll_flush(self.stream.as_mut(), shared, now, cx)
    }

    /// The stream took less than it was given.
    #[inline]
    pub(crate) fn is_blocked(&self) -> bool {
        self.writer.is_blocked()
    }

    /// Reads once where nothing whole is buffered, then handles one pass of frames. The `usize` is how many bytes were
    /// read.
    #[inline]
    pub(crate) fn read(
        &mut self,
        shared: &Arc<Shared>,
        now: Millis,
        cx: &mut Context<'_>,
    ) -> io::Result<(PassEnd, usize)> {
        self.reader.poll_pass(self.stream.as_mut(), shared, now, cx)
    }

    /// Reads what the peer still sends, and drops it. `0` where it has hung up.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = [0; 4096];
        let mut buffer = ReadBuf::new(&mut scratch);
        let poll = self.stream.as_mut().poll_read(cx, &mut buffer);
        poll.map_ok(|()| buffer.filled().len())
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }

    /// What came instead of a hello, where no whole frame has.
    pub(crate) fn stranger(&self, state: &State) -> Option<String> {
        self.reader.stranger(state)
    }

    /// More of a large message is to come.
    pub(crate) fn is_within_a_message(&self) -> bool {
        self.reader.is_within_a_message()
    }

    /// The next call or answer is probably made at this moment, on another processor of this machine.
    pub(crate) fn is_between_calls(&self) -> bool {
        self.reader.is_between_calls()
    }

    /// Gives back what nothing lies in.
    pub(crate) fn trim(&mut self) {
        self.reader.trim();
        self.writer.trim();
    }
}
