//! The rows of the transactions this end made. A caller finds its row by its ticket.

use crate::Millis;
use crate::session::effects::Effects;
use crate::session::message::{Message, Terminal};
use crate::thin_list::ThinList;
use crate::wire::handles::IncomingHandle;
use crate::wire::xid::Xid;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;
use core::ops::{Index, IndexMut};
use slab::Slab;

/// A caller's hold on its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(super) index: u32,
    generation: u32,
}

impl Ticket {
    /// Generations count up, and wrap round.
    pub(super) fn is_older(self, other: Ticket) -> bool {
        (self.generation.wrapping_sub(other.generation) as i32) < 0
    }
}

#[derive(Debug)]
pub(super) struct Row<W, P> {
    generation: u32,
    pub(super) deadline: Option<Millis>,
    pub(super) waker: Option<W>,
    pub(super) state: State<P>,
}

#[derive(Debug)]
pub(super) enum State<P> {
    Queued(Box<Message<P>>),
    /// A notify that waits for credit. Its queue holds the message, which is sent even if the caller is gone.
    Posted,
    /// The buffer held the arguments and will hold the value.
    Waiting {
        xid: Xid,
        buffer: Vec<u8>,
    },
    /// The halves that came with it belong to the caller.
    Done(Terminal, ThinList<IncomingHandle>),
}

impl<P> State<P> {
    pub(super) fn done(terminal: Terminal) -> State<P> {
        State::Done(terminal, ThinList::new())
    }
}

impl<W, P> Row<W, P> {
    /// The caller will find `terminal`.
    pub(super) fn end(&mut self, terminal: Terminal, effects: &mut Effects<W, P>) {
        if let State::Queued(message) = mem::replace(&mut self.state, State::done(terminal)) {
            effects.discard(message.body, message.carried);
        }
        effects.wakers.extend(self.waker.take());
    }
}

#[derive(Debug)]
pub(super) struct Rows<W, P> {
    slab: Slab<Row<W, P>>,
    next_generation: u32,
}

impl<W, P> Rows<W, P> {
    pub(super) fn new() -> Rows<W, P> {
        Rows { slab: Slab::new(), next_generation: 0 }
    }

    /// Where the next row will be.
    #[inline]
    pub(super) fn next_index(&self) -> u32 {
        self.slab.vacant_key() as u32
    }

    #[inline]
    pub(super) fn insert(&mut self, deadline: Option<Millis>, waker: Option<W>, state: State<P>) -> Ticket {
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1);
        let index = self.slab.insert(Row { generation, deadline, waker, state }) as u32;
        Ticket { index, generation }
    }

    #[inline]
    pub(super) fn get(&self, ticket: Ticket) -> Option<&Row<W, P>> {
        self.slab.get(ticket.index as usize).filter(|row| row.generation == ticket.generation)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Row<W, P>> {
        self.slab.get_mut(ticket.index as usize).filter(|row| row.generation == ticket.generation)
    }

    /// The ticket of the row that is at this index.
    pub(super) fn ticket(&self, index: u32) -> Ticket {
        Ticket { index, generation: self[index].generation }
    }

    pub(super) fn queued(&self, ticket: Ticket) -> Option<&Message<P>> {
        match &self.get(ticket)?.state {
            State::Queued(message) => Some(message),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Row<W, P>> {
        self.get(ticket)?;
        Some(self.slab.remove(ticket.index as usize))
    }

    /// Takes the row's end, if it has come; the row is gone then.
    #[inline]
    pub(super) fn take_done(&mut self, ticket: Ticket) -> Option<(Terminal, ThinList<IncomingHandle>)> {
        let row = self.get_mut(ticket)?;
        if !matches!(row.state, State::Done(..)) {
            return None;
        }
        match self.slab.remove(ticket.index as usize).state {
            State::Done(terminal, carried) => Some((terminal, carried)),
            _ => None,
        }
    }

    /// A notify's row ends. Returns whom to wake: whoever sent it may have gone.
    pub(super) fn end_posted(&mut self, ticket: Ticket, terminal: Terminal) -> Option<W> {
        let row = self.get_mut(ticket)?;
        row.state = State::done(terminal);
        row.waker.take()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Row<W, P>)> {
        self.slab.iter().map(|(index, row)| (index as u32, row))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Row<W, P>> {
        self.slab.iter_mut().map(|(_, row)| row)
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn trim(&mut self) {
        self.slab.shrink_to_fit();
    }
}

/// By index alone: a request that waits for its answer keeps the index of its row.
impl<W, P> Index<u32> for Rows<W, P> {
    type Output = Row<W, P>;

    #[inline]
    fn index(&self, index: u32) -> &Row<W, P> {
        &self.slab[index as usize]
    }
}

impl<W, P> IndexMut<u32> for Rows<W, P> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut Row<W, P> {
        &mut self.slab[index as usize]
    }
}
