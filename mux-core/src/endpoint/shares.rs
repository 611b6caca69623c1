//! Shares the connections of a server among those who make them.

use crate::api::peer::Peer;
use crate::transport;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many connections each peer holds, and may hold.
#[derive(Debug)]
pub(crate) struct Shares {
    held: Mutex<HashMap<Origin, usize>>,
    /// Connections of all peers.
    all: AtomicUsize,
    /// From so many on they are short.
    many: usize,
    max: usize,
    /// Peers on this machine have no bound.
    spares_local: bool,
}

/// What peers have in common that count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    V4(Ipv4Addr),
    /// The first 64 bits, as one host chooses the others at will (RFC 4291, 2.5.4).
    V6(u64),
    User(u32),
}

/// One connection's part of what its peer may hold, given back as it is dropped.
#[derive(Debug)]
pub(crate) struct Share(Arc<Shares>, Option<Origin>);

impl Shares {
    /// As a server was told, or else three quarters of all for each peer, except those on this machine: over loopback a
    /// proxy may stand for many, and who is of the same user could stop the server anyway.
    pub(crate) fn new(max_of_one: Option<usize>, max_of_all: usize) -> Arc<Shares> {
        let many = max_of_all - max_of_all / 4;
        Arc::new(Shares {
            held: Mutex::default(),
            all: AtomicUsize::new(0),
            many,
            max: max_of_one.unwrap_or(many).max(1),
            spares_local: max_of_one.is_none(),
        })
    }

    /// Three quarters of all connections are there.
    pub(crate) fn are_short(&self) -> bool {
        self.all.load(Ordering::Relaxed) >= self.many
    }

    /// `None` for a peer that holds as many as it may.
    pub(crate) fn admit(self: &Arc<Shares>, peer: &Peer) -> Option<Share> {
        let origin = origin(peer).filter(|_| !(self.spares_local && is_local(peer)));
        if let Some(origin) = origin {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let count = held.entry(origin).or_default();
            if *count >= self.max {
                return None;
            }
            *count += 1;
        }
        self.all.fetch_add(1, Ordering::Relaxed);
        Some(Share(Arc::clone(self), origin))
    }

    fn give_back(&self, origin: Origin) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                held.remove(&origin);
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Share(shares, origin) = self;
        shares.all.fetch_sub(1, Ordering::Relaxed);
        if let Some(origin) = origin.take() {
            shares.give_back(origin);
        }
    }
}

fn origin(peer: &Peer) -> Option<Origin> {
    let by_user = || peer.credentials.map(|credentials| Origin::User(credentials.uid));
    peer.ip.map(by_address).or_else(by_user)
}

fn by_address(ip: IpAddr) -> Origin {
    match ip.to_canonical() {
        IpAddr::V4(ip) => Origin::V4(ip),
        IpAddr::V6(ip) => Origin::V6((ip.to_bits() >> 64) as u64),
    }
}

fn is_local(peer: &Peer) -> bool {
    match peer.ip {
        Some(ip) => ip.to_canonical().is_loopback(),
        None => transport::is_same_user(peer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::peer::Credentials;

    fn at(ip: &str) -> Peer {
        Peer::new().with_ip(ip.parse().unwrap())
    }

    /// How many of them one after the other are admitted, and kept.
    fn admitted(shares: &Arc<Shares>, peers: &[Peer]) -> Vec<bool> {
        let kept: Vec<_> = peers.iter().map(|peer| shares.admit(peer)).collect();
        kept.iter().map(Option::is_some).collect()
    }

    #[test]
    fn an_address_holds_no_more_than_it_may_and_others_hold_theirs() {
        let shares = Shares::new(Some(2), 1024);
        let peers = ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "::ffff:192.0.2.2", "192.0.2.2"];
        assert_eq!(admitted(&shares, &peers.map(at)), [true, true, false, true, true, false]);
        assert!(shares.held.lock().unwrap().is_empty());
        assert_eq!(admitted(&shares, &peers.map(at)), [true, true, false, true, true, false]);
    }

    #[test]
    fn a_host_with_many_addresses_of_one_prefix_counts_as_one() {
        let peers = ["2001:db8:0:1::1", "2001:db8:0:1:ffff::", "2001:db8:0:2::1"].map(at);
        assert_eq!(admitted(&Shares::new(Some(1), 1024), &peers), [true, false, true]);
    }

    #[test]
    fn three_quarters_are_for_one_peer_where_the_server_was_not_told() {
        for (of_all, of_one) in
            [(1, 1), (2, 2), (4, 3), (8, 6), (1024, 768), (usize::MAX, usize::MAX / 4 * 3 + 3)]
        {
            assert_eq!(Shares::new(None, of_all).max, of_one, "of {of_all}");
        }
    }

    #[test]
    fn peers_on_this_machine_are_bounded_only_where_the_server_was_told() {
        let peers = ["127.0.0.1", "127.0.0.1", "::1", "::1", "192.0.2.1", "192.0.2.1"].map(at);
        assert_eq!(admitted(&Shares::new(None, 1), &peers), [true, true, true, true, true, false]);
        assert_eq!(admitted(&Shares::new(Some(1), 1), &peers), [true, false, true, false, true, false]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_user_counts_as_one_and_the_servers_own_is_spared() {
        let own = tokio::net::UnixStream::pair().unwrap().0.peer_cred().unwrap().uid();
        let of = |uid| Peer::new().with_credentials(Credentials { pid: None, uid, gid: 0 });
        let peers = [of(own), of(own), of(own ^ 1), of(own ^ 1)];
        assert_eq!(admitted(&Shares::new(None, 1), &peers), [true, true, true, false]);
        assert_eq!(admitted(&Shares::new(Some(1), 1), &peers), [true, false, true, false]);
    }
}
