//! A peer: something that asks and answers over a stream.

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::Result;
use crate::address::{Address, Stream};

pub trait Peer: 'static {
    type Client: Clone + Send + Sync + 'static;

    /// Starts the asking end of a connection.
    fn open<S: Stream>(stream: S) -> impl Future<Output = Result<Self::Client>> + Send;

    /// Answers a connection, or has it answered, until it ends.
    fn answer<S: Stream>(stream: S) -> impl Future<Output = Result<()>> + Send;

    fn connect(address: Address) -> impl Future<Output = Result<Self::Client>> + Send {
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

/// Nagle's algorithm would hold back small frames.
fn without_delay(stream: TcpStream) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}
