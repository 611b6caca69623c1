//! What sending a message needs: the outbox, the channels, and what both ends allow.

use crate::session::channels::Channels;
use crate::session::effects::Effects;
use crate::session::outbox::Outbox;
use crate::session::outbox::payload::Payload;
use crate::thin_list::ThinList;
use crate::wire::frame::Frame;
use crate::wire::handles::IncomingHandle;
use crate::wire::handles::OutgoingHandle;
use crate::wire::settings::Settings;
use crate::wire::xid::Counter;
use crate::wire::xid::Xid;
use alloc::vec::Vec;

/// What sending a message needs, borrowed from the session apart from its table of calls.
pub(crate) struct SendContext<'s, W, P> {
    pub(crate) ours: &'s Settings,
    pub(crate) peer: &'s Settings,
    /// The peer's HELLO has come: its settings are not the floors.
    pub(crate) greeted: bool,
    pub(crate) ids: &'s mut Counter,
    pub(crate) channels: &'s mut Channels<W, P>,
    pub(crate) out: &'s mut Outbox,
    pub(crate) effects: &'s mut Effects<W, P>,
}

impl<W, P: Clone> SendContext<'_, W, P> {
    /// Opens the channels of a message that is sent now.
    #[inline]
    pub(crate) fn open(&mut self, carried: &mut ThinList<OutgoingHandle<P>>) -> ThinList<IncomingHandle> {
        if carried.is_empty() {
            return ThinList::new();
        }
        self.channels.open(carried.take(), self.ids, (self.ours, self.peer), self.effects)
    }

    /// Queues a message, in chunks under `id` if it is large. Returns the body's buffer if it was copied.
    #[inline]
    pub(crate) fn send(
        &mut self,
        id: Xid,
        frame: &Frame<'_>,
        body: Payload,
        carried: &[IncomingHandle],
    ) -> Vec<u8> {
        if !body.is_large() {
            return self.out.message_with(frame, body);
        }
        self.channels.hold_back(carried);
        self.out.large(id, frame, body, carried);
        Vec::new()
    }

    /// Gives up what is left of a large message. `false` if all of it was sent.
    pub(crate) fn abandon(&mut self, id: Xid) -> bool {
        let Some(large) = self.out.abandon(id) else { return false };
        self.effects.segments.extend(large.segments);
        large.introduces.iter().for_each(|&carried| self.channels.recall(carried, self.effects));
        true
    }
}
