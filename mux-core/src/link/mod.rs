//! What a connection's driver, callers and handlers share.

pub(crate) mod detached;
pub(crate) mod handle;
pub(crate) mod obligation;
pub(crate) mod pending_receiver;
pub(crate) mod port;
pub(crate) mod send_queue;
pub(crate) mod shared;
