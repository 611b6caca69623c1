//! A channel both of whose halves are in this process: its items are not encoded. When one half leaves,
//! the other finds here where it has gone.

use super::decoder::Decoder;
use super::encoder::{Encoder, Ending};
use crate::link::pending_receiver::PendingReceiver;
use crate::link::send_queue::SendQueue;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Items that wait for their receiver before the sender has to.
pub(super) const MOST: usize = 256;

pub(super) struct Local<T, E> {
    state: Mutex<State<T, E>>,
}

pub(super) struct State<T, E> {
    pub(super) queue: VecDeque<T>,
    pub(super) ended: Option<Ending<E>>,
    pub(super) receiver_gone: bool,
    pub(super) left: Option<Left<T, E>>,
    /// A sender that waits for room, or for all to be taken.
    pub(super) sender: Option<Waker>,
    /// Someone who waits until the receiver is gone.
    pub(super) watcher: Option<Waker>,
    pub(super) receiver: Option<Waker>,
}

/// The half that has left, by the port that stands for it.
pub(super) enum Left<T, E> {
    Receiver(Arc<SendQueue>, Encoder<T, E>),
    Sender(Arc<PendingReceiver>, Decoder<T, E>),
}

impl<T, E> Clone for Left<T, E> {
    fn clone(&self) -> Left<T, E> {
        match self {
            Left::Receiver(send_queue, encoder) => Left::Receiver(Arc::clone(send_queue), *encoder),
            Left::Sender(pending, decoder) => Left::Sender(Arc::clone(pending), *decoder),
        }
    }
}

impl<T, E> Local<T, E> {
    pub(super) fn new() -> Local<T, E> {
        Local {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                ended: None,
                receiver_gone: false,
                left: None,
                sender: None,
                watcher: None,
                receiver: None,
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        // What runs under it is ours.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then wakes whom that concerns.
    pub(super) fn tell<R>(&self, change: impl FnOnce(&mut State<T, E>) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let wakers = [state.sender.take(), state.watcher.take(), state.receiver.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
        result
    }
}
