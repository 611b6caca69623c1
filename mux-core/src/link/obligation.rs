//! What this end owes its peer for a message.

use mux_proto::wire::xid::Xid;

/// What a request is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obligation {
    Answer(Xid),
    /// The credit that a notify spent.
    Credit(u64),
}

impl Obligation {
    pub(crate) fn xid(self) -> Option<Xid> {
        match self {
            Obligation::Answer(xid) => Some(xid),
            Obligation::Credit(_) => None,
        }
    }
}
