//! Connections made and served.

pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod server;
pub(crate) mod shares;
