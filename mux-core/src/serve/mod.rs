//! The answering half: requests on their way to their handlers, and their answers.

pub(crate) mod demux;
pub(crate) mod dispatch;
pub(crate) mod handler;
pub(crate) mod inbound;
pub(crate) mod responder;
pub(crate) mod route;
pub(crate) mod router;
pub(crate) mod service;
pub(crate) mod source;
