//! Connections made and served.

mod acceptor;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod server;
pub(crate) mod shares;
