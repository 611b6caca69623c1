//! Sends to another process.

use crate::api::channel_error::SendError;
use crate::channel::encoder::Encoder;
use crate::link::send_queue::{Batch, FRAME, Gone, SendQueue};
use mux_proto::wire::fault::{Fault, FaultCode};
use mux_proto::wire::settings::SMALL;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pub(in crate::channel) struct Remote<T, E> {
    pub(super) send_queue: Arc<SendQueue>,
    pub(super) encoder: Encoder<T, E>,
    /// An item that is being sent.
    item: Batch,
    /// Items of a stream that share the next frame.
    frame: Batch,
}

impl<T, E> Remote<T, E> {
    pub(super) fn new(send_queue: Arc<SendQueue>, encoder: Encoder<T, E>) -> Remote<T, E> {
        Remote { send_queue, encoder, item: Batch::default(), frame: Batch::default() }
    }

    /// As [`Sender::poll_fill`]: one lock for a frame.
    pub(super) fn poll_fill<R>(&mut self, mut next: impl FnMut() -> Poll<Result<T, R>>) -> Poll<Option<R>> {
        let polled = loop {
            match next() {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(Err(over)) => break Poll::Ready(Some(over)),
                Poll::Ready(Ok(item)) => {
                    if self.add(&item).is_break() {
                        break Poll::Ready(None);
                    }
                }
            }
        };
        // A frame was full: what begins the next one waits for more.
        if !matches!(polled, Poll::Ready(None)) {
            self.push_frame();
        }
        polled
    }

    /// Adds an item to the frame, until that is full: then it goes, and the item begins the next. An item
    /// that cannot be encoded, or is more than the other end takes, ends the channel.
    fn add(&mut self, item: &T) -> ControlFlow<()> {
        let (mark, before) = (self.frame.whole, self.frame.count);
        if let Err(error) = self.encoder.append(item, &mut self.frame) {
            return self.break_off(FaultCode::Unencodable, format!("an item could not be encoded: {error}"));
        }
        // A frame holds no more than a small message.
        if self.frame.handles.is_empty() && self.frame.values.len() <= FRAME {
            return ControlFlow::Continue(());
        }
        let len = self.frame.values.len_since(mark);
        let apart = self.frame.split_off(mark, before);
        self.push_frame();
        if len <= SMALL && apart.handles.is_empty() {
            self.frame = apart;
            // It will be full like the last one.
            self.frame.values.flat_mut().reserve(FRAME);
        } else if let Err(SendError::TooLarge(why)) = self.push_apart(apart) {
            return self.break_off(FaultCode::ReplyTooLarge, why);
        }
        ControlFlow::Break(())
    }

    fn break_off(&mut self, code: FaultCode, why: String) -> ControlFlow<()> {
        self.push_frame();
        SendQueue::end(&self.send_queue, Some(Fault::new(code, why)));
        ControlFlow::Break(())
    }

    pub(super) fn push_frame(&mut self) {
        if self.frame.count > 0 {
            self.frame.trim();
            // Fails where nobody receives, which the next look at the channel tells.
            let _ = SendQueue::push_batch(&self.send_queue, std::mem::take(&mut self.frame));
        }
    }

    pub(super) fn encode(&mut self, item: &T) -> Result<(), SendError> {
        // What is left where sending a stream was given up.
        self.push_frame();
        self.item.clear();
        self.encoder.append(item, &mut self.item).map_err(|error| SendError::Unencodable(error.to_string()))
    }

    /// Sends the item that was encoded, without looking for room.
    pub(super) fn push_item(&mut self) -> Result<(), SendError> {
        if self.item.values.is_large() || !self.item.handles.is_empty() {
            let item = std::mem::take(&mut self.item);
            return self.push_apart(item);
        }
        SendQueue::push(&self.send_queue, self.item.values.flat()).map_err(|Gone| self.gone())
    }

    /// As [`push_item`](Remote::push_item), as soon as there is room.
    pub(super) fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.item.values.is_large() || !self.item.handles.is_empty() {
            if ready!(self.send_queue.poll_room(cx)).is_err() {
                return Poll::Ready(Err(self.gone()));
            }
            return Poll::Ready(self.push_item());
        }
        loop {
            match SendQueue::try_push(&self.send_queue, self.item.values.flat()) {
                Ok(true) => return Poll::Ready(Ok(())),
                Ok(false) => {}
                Err(Gone) => return Poll::Ready(Err(self.gone())),
            }
            if ready!(self.send_queue.poll_room(cx)).is_err() {
                return Poll::Ready(Err(self.gone()));
            }
        }
    }

    fn push_apart(&mut self, batch: Batch) -> Result<(), SendError> {
        let (len, carried) = (batch.values.len(), batch.handles.len());
        if let Some(shared) = self.send_queue.connection()
            && let Some(fault) = shared.item_exceeds_limits(len, carried)
        {
            return Err(SendError::TooLarge(fault.message));
        }
        SendQueue::push_batch(&self.send_queue, batch).map_err(|Gone| self.gone())
    }

    pub(super) fn gone(&self) -> SendError {
        match self.send_queue.connection() {
            Some(shared) if shared.is_closed() => SendError::Closed(shared.close_reason()),
            _ => SendError::Dropped,
        }
    }
}

/// An item on its way to the send queue. Where its sending is given up, it is let go with what it carries.
pub(super) struct Sending<'r, T, E>(pub(super) &'r mut Remote<T, E>);

impl<T, E> Drop for Sending<'_, T, E> {
    fn drop(&mut self) {
        self.0.item.clear();
    }
}
