//! Where a server listens, and the streams that lead there.

use std::fmt::{self, Display};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdTcpListener};
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

use crate::Error;

/// What a connection is made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Unix,
    Tcp,
}

impl Transport {
    pub fn described(self) -> &'static str {
        match self {
            Self::Unix => "a Unix socket",
            Self::Tcp => "TCP on the loopback device",
        }
    }
}

impl Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unix => "unix",
            Self::Tcp => "tcp",
        })
    }
}

/// `unix:path` or `tcp://host:port`.
#[derive(Clone, Debug, PartialEq)]
pub enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl Address {
    /// One that no other cell has; `nth` tells the cells of this process apart.
    pub fn fresh(transport: Transport, nth: usize) -> io::Result<Self> {
        match transport {
            Transport::Unix => {
                let name = format!("mux-bench-{}-{nth}.sock", std::process::id());
                Ok(Self::Unix(std::env::temp_dir().join(name)))
            }
            // A local port that was free a moment ago.
            Transport::Tcp => StdTcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(Self::Tcp),
        }
    }

    pub fn remove(&self) {
        if let Self::Unix(path) = self {
            // It is removed once when connected, once more when the cell ends.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            Ok(Self::Unix(path.into()))
        } else if let Some(address) = text.strip_prefix("tcp://") {
            Ok(Self::Tcp(address.parse()?))
        } else {
            Err(format!("`{text}` is neither `unix:path` nor `tcp://host:port`").into())
        }
    }
}

/// A connected socket of either kind. The halves are owned ones, which need no lock as `tokio::io::split` does.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static {
    type Reading: AsyncRead + Unpin + Send + 'static;
    type Writing: AsyncWrite + Unpin + Send + 'static;

    fn halves(self) -> (Self::Reading, Self::Writing);
}

impl Stream for UnixStream {
    type Reading = unix::OwnedReadHalf;
    type Writing = unix::OwnedWriteHalf;

    fn halves(self) -> (Self::Reading, Self::Writing) {
        self.into_split()
    }
}

impl Stream for TcpStream {
    type Reading = tcp::OwnedReadHalf;
    type Writing = tcp::OwnedWriteHalf;

    fn halves(self) -> (Self::Reading, Self::Writing) {
        self.into_split()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_command_line() {
        for address in
            [Transport::Unix, Transport::Tcp].map(|transport| Address::fresh(transport, 3).unwrap())
        {
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }
}
