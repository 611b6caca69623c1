//! Who is at the other end of a connection.

use std::net::IpAddr;

/// Who is at the other end, as its transport tells.
///
/// A transport of your own makes one for each stream:
///
/// ```
/// # use mux_core as mux;
/// let peer = mux::Peer::new().with_address("tcp://192.0.2.7:4711").with_ip([192, 0, 2, 7].into());
/// assert_eq!(peer.address.as_deref(), Some("tcp://192.0.2.7:4711"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its address, as its transport writes it.
    pub address: Option<String>,
    /// Its IP address, over TCP.
    pub ip: Option<IpAddr>,
    /// Its process and user, over a Unix socket.
    pub credentials: Option<Credentials>,
    /// Whether it is this program or one of the same user's, where that does not follow from the credentials.
    pub(crate) same_user: Option<bool>,
}

impl Peer {
    /// One of which nothing is known.
    pub fn new() -> Peer {
        Peer::default()
    }

    /// Sets its address, as its transport writes it.
    #[must_use]
    pub fn with_address(mut self, address: impl Into<String>) -> Peer {
        self.address = Some(address.into());
        self
    }

    /// Sets its IP address. A server counts the connections of an IPv4 address, or of the first 64 bits of an IPv6
    /// address, as those of one peer: see [`max_connections_per_peer`](crate::Server::max_connections_per_peer).
    #[must_use]
    pub fn with_ip(mut self, ip: IpAddr) -> Peer {
        self.ip = Some(ip);
        self
    }

    /// Sets its process and user, which the system must have told: a peer's own word for them is worth nothing.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Peer {
        self.credentials = Some(credentials);
        self
    }

    /// Sets whether it is this program or one of the same user's, whose calls are told the traces of failures and panics
    /// unless [`reveal_traces`](crate::ConnectionBuilder::reveal_traces) says otherwise. If this is not called, it is where
    /// the user id of its [`credentials`](Peer::credentials) is this process's.
    #[must_use]
    pub fn with_same_user(mut self, same: bool) -> Peer {
        self.same_user = Some(same);
        self
    }
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
