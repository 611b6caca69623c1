//! The peers, and one way to call any of them.

mod by_hand;
mod frame;
mod handmade;
mod mux;
mod outbox;
mod tarpc;

use std::fmt::{self, Display};
use std::str::FromStr;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::address::{Address, Stream};
use crate::message::Load;
use crate::{Error, Result};

/// More than any level has, so that no peer's own limits are measured.
const MOST_IN_FLIGHT: usize = 4096;

/// One way to make and to answer echo calls.
pub trait Peer: 'static {
    type Load: Load;
    type Caller: Caller<Self::Load>;

    /// Starts the asking end of a connection.
    fn open<S: Stream>(stream: S) -> impl Future<Output = Result<Self::Caller>> + Send;

    /// Answers a connection until it ends.
    fn answer<S: Stream>(stream: S) -> impl Future<Output = Result<()>> + Send;

    fn connect(address: Address) -> impl Future<Output = Result<Self::Caller>> + Send {
        async move {
            match address {
                Address::Unix(path) => Self::open(UnixStream::connect(path).await?).await,
                Address::Tcp(address) => Self::open(without_delay(TcpStream::connect(address).await?)?).await,
            }
        }
    }

    /// Answers every connection, until the process is ended.
    fn listen(address: Address) -> impl Future<Output = Result<()>> + Send {
        async move {
            match address {
                Address::Unix(path) => {
                    let listener = UnixListener::bind(path)?;
                    loop {
                        tokio::spawn(Self::answer(listener.accept().await?.0));
                    }
                }
                Address::Tcp(address) => {
                    let listener = TcpListener::bind(address).await?;
                    loop {
                        tokio::spawn(Self::answer(without_delay(listener.accept().await?.0)?));
                    }
                }
            }
        }
    }
}

pub trait Caller<L>: Clone + Send + Sync + 'static {
    fn echo(&self, load: L) -> impl Future<Output = Result<L>> + Send;
}

/// Nagle's algorithm would hold back small frames.
fn without_delay(stream: TcpStream) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Something to do with a peer that is only known by name.
pub trait Job {
    type Output;

    fn run<P: Peer>(self) -> Self::Output;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerName {
    MuxNamed,
    MuxCompact,
    TarpcMessagePack,
    TarpcBincode,
    ByHand,
    Handmade,
}

impl PeerName {
    pub const ALL: &[Self] = &[
        Self::MuxNamed,
        Self::MuxCompact,
        Self::TarpcMessagePack,
        Self::TarpcBincode,
        Self::ByHand,
        Self::Handmade,
    ];

    pub fn run<J: Job>(self, job: J) -> J::Output {
        match self {
            Self::MuxNamed => job.run::<mux::Named>(),
            Self::MuxCompact => job.run::<mux::Compact>(),
            Self::TarpcMessagePack => job.run::<tarpc::Tarpc<tarpc::MessagePack>>(),
            Self::TarpcBincode => job.run::<tarpc::Tarpc<tarpc::Bincode>>(),
            Self::ByHand => job.run::<by_hand::ByHand>(),
            Self::Handmade => job.run::<handmade::Handmade>(),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::MuxNamed => "mux",
            Self::MuxCompact => "mux-compact",
            Self::TarpcMessagePack => "tarpc-messagepack",
            Self::TarpcBincode => "tarpc-bincode",
            Self::ByHand => "by-hand",
            Self::Handmade => "handmade",
        }
    }
}

impl Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for PeerName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = || Self::ALL.iter().map(|peer| peer.as_str()).collect::<Vec<_>>().join(", ");
        Self::ALL
            .iter()
            .copied()
            .find(|peer| peer.as_str() == text)
            .ok_or_else(|| format!("no peer `{text}` in this build; there are: {}", known()).into())
    }
}
