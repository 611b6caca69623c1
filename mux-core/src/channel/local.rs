//! A channel both of whose halves are in this process: its items are not encoded. When one half leaves,
//! the other finds here where it has gone.

use super::decoder::Decoder;
use super::encoder::{Encoder, Ending};
use crate::link::pending_receiver::PendingReceiver;
use crate::link::send_queue::SendQueue;
use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Items that wait for their receiver before the sender has to.
pub(super) const MOST: usize = 256;

pub(super) struct Local<T, E> {
    state: Mutex<State<T, E>>,
}

pub(super) struct State<T, E> {
    pub(super) queue: VecDeque<T>,
    pub(super) phase: Phase<T, E>,
    /// A sender that waits for room, or for all to be taken.
    pub(super) sender: Option<Waker>,
    /// Someone who waits until the receiver is gone.
    pub(super) watcher: Option<Waker>,
    pub(super) receiver: Option<Waker>,
}

/// Which of the halves are here. One that has left is known by the port that stands for it.
pub(super) enum Phase<T, E> {
    Open,
    /// By the sender, behind what is in the queue.
    Ended(Ending<E>),
    SenderLeft(Arc<PendingReceiver>, Decoder<T, E>),
    ReceiverLeft(Arc<SendQueue>, Encoder<T, E>),
    /// It was dropped, or has taken the end.
    ReceiverGone,
}

impl<T, E> State<T, E> {
    pub(super) fn is_receiver_gone(&self) -> bool {
        matches!(self.phase, Phase::ReceiverGone)
    }

    /// Where items go, if the receiver has left.
    pub(super) fn receiver_left(&self) -> Option<(Arc<SendQueue>, Encoder<T, E>)> {
        match &self.phase {
            Phase::ReceiverLeft(send_queue, encoder) => Some((Arc::clone(send_queue), *encoder)),
            _ => None,
        }
    }

    /// How the sender has ended, told once.
    pub(super) fn take_ending(&mut self) -> Option<Ending<E>> {
        match mem::replace(&mut self.phase, Phase::ReceiverGone) {
            Phase::Ended(ending) => Some(ending),
            phase => {
                self.phase = phase;
                None
            }
        }
    }
}

impl<T, E> Local<T, E> {
    pub(super) fn new() -> Local<T, E> {
        Local {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                phase: Phase::Open,
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
