//! What is to be done once the session's lock is free. Dropping a body or telling a port may run code
//! of a user, and none of that runs under the lock.

use super::carried::Leaving;
use super::payload::Payload;
use super::rare::Rare;
use super::xid::Xid;
use bytes::Bytes;

/// `W` wakes a caller or a receiver, `P` is the port of a half that stays here.
#[derive(Debug)]
pub(crate) struct After<W, P> {
    pub(crate) wakers: Vec<W>,
    /// Their other halves have left, under these ids.
    pub(crate) attached: Vec<(P, Xid)>,
    /// Their other halves will never leave, or have stopped.
    pub(crate) closed: Vec<P>,
    /// There is room for what they hold back.
    pub(crate) resumed: Vec<P>,
    /// To be dropped.
    pub(crate) bodies: Vec<Payload>,
    pub(crate) segments: Vec<Bytes>,
}

impl<W, P> Default for After<W, P> {
    fn default() -> After<W, P> {
        After {
            wakers: Vec::new(),
            attached: Vec::new(),
            closed: Vec::new(),
            resumed: Vec::new(),
            bodies: Vec::new(),
            segments: Vec::new(),
        }
    }
}

impl<W, P> After<W, P> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let After { wakers, attached, closed, resumed, bodies, segments } = self;
        let kept =
            wakers.len() | attached.len() | closed.len() | resumed.len() | bodies.len() | segments.len();
        kept == 0
    }

    /// A message that will not be sent.
    pub(crate) fn discard(&mut self, body: Payload, carried: Rare<Leaving<P>>) {
        self.bodies.push(body);
        self.closed.extend(carried.into_iter().map(|leaving| leaving.port));
    }
}
