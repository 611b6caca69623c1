//! What is to be done once the session's lock is free. Dropping a body or telling a port may run code
//! of a user, and none of that runs under the lock.

use crate::session::outbox::payload::Payload;
use crate::thin_list::ThinList;
use crate::wire::handles::OutgoingHandle;
use crate::wire::xid::Xid;
use alloc::vec::Vec;
use bytes::Bytes;

/// `W` wakes a caller or a receiver, `P` is the port of a half that stays here.
#[derive(Debug)]
pub struct Effects<W, P> {
    pub wakers: Vec<W>,
    /// Their other halves have left, under these ids.
    pub attached: Vec<(P, Xid)>,
    /// Their other halves will never leave, or have stopped.
    pub closed: Vec<P>,
    /// There is room for what they hold back.
    pub resumed: Vec<P>,
    /// To be dropped.
    pub bodies: Vec<Payload>,
    pub segments: Vec<Bytes>,
}

impl<W, P> Default for Effects<W, P> {
    fn default() -> Effects<W, P> {
        Effects {
            wakers: Vec::new(),
            attached: Vec::new(),
            closed: Vec::new(),
            resumed: Vec::new(),
            bodies: Vec::new(),
            segments: Vec::new(),
        }
    }
}

impl<W, P> Effects<W, P> {
    #[inline]
    pub fn is_empty(&self) -> bool {
        let Effects { wakers, attached, closed, resumed, bodies, segments } = self;
        let kept =
            wakers.len() | attached.len() | closed.len() | resumed.len() | bodies.len() | segments.len();
        kept == 0
    }

    /// A message that will not be sent.
    pub(crate) fn discard(&mut self, body: Payload, carried: ThinList<OutgoingHandle<P>>) {
        self.bodies.push(body);
        self.closed.extend(carried.into_iter().map(|leaving| leaving.port));
    }
}
