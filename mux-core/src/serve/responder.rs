//! Who owes a request its answer.

use crate::link::obligation::Obligation;
use crate::link::shared::Shared;
use crate::link::shared::answers::Start;
use crate::value::body::Outcome;
use mux_proto::wire::xid::Xid;
use std::sync::Arc;

/// What a handler came to, and for whom.
pub(crate) type Finished = (Obligation, Outcome);

/// Sends what handlers came to, without what only this side should know. Returns whether the peer has to read some of its
/// answers before further requests begin.
pub(crate) fn answer(finished: &mut [Finished], shared: &Shared) -> bool {
    shared.answer(finished.iter_mut().map(|(owed, outcome)| {
        outcome.redact(shared.reveals_traces());
        let (answer, handles) = outcome.answer_mut();
        (*owed, answer, handles)
    }))
}

/// Owes a request its one answer, and gives it whatever happens: dropped, it tells why there is none.
pub(crate) struct Responder {
    pub(super) shared: Arc<Shared>,
    /// Nothing, once it is paid.
    pub(super) owed: Option<Obligation>,
}

impl Responder {
    pub(super) fn xid(&self) -> Option<Xid> {
        self.owed.and_then(Obligation::xid)
    }

    /// A parked handler begins. A notify's always does, as it has no answer.
    pub(super) fn start(&self) -> Start {
        self.xid().map_or(Start::Begun, |xid| self.shared.start(xid))
    }

    pub(crate) fn finish(mut self, outcome: Outcome) {
        if let Some(owed) = self.owed.take() {
            let mut finished = [(owed, outcome)];
            answer(&mut finished, &self.shared);
            finished.into_iter().for_each(|(_, outcome)| outcome.recycle());
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(owed) = self.owed {
            self.shared.drop_owed(owed);
        }
    }
}
