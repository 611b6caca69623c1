//! Who is at the other end of a connection.

use std::net::IpAddr;

/// Who is at the other end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its address, as its transport writes it.
    pub address: Option<String>,
    /// Its IP address, over TCP.
    pub ip: Option<IpAddr>,
    /// Its process and user, over a Unix socket.
    pub credentials: Option<Credentials>,
}

/// The process at the other end of a Unix socket, as the kernel tells it (`SO_PEERCRED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its process id, where the system tells it.
    pub pid: Option<i32>,
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
}
