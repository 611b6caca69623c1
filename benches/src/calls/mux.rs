//! mux as a user writes it, in both of its encodings.

use std::future;

use mux::{Connection, Limits, Server};

use super::MOST_IN_FLIGHT;
use super::message::Message;
use crate::Result;
use crate::address::{Address, Stream};
use crate::peer::Peer;

#[mux::service]
pub trait Echo {
    async fn echo(&self, message: Message) -> Message;
}

#[mux::service(encoding = "compact")]
pub trait CompactEcho {
    async fn echo(&self, message: Message) -> Message;
}

pub struct Echoing;

impl Echo for Echoing {
    async fn echo(&self, message: Message) -> Message {
        message.handled().await;
        message
    }
}

impl CompactEcho for Echoing {
    async fn echo(&self, message: Message) -> Message {
        message.handled().await;
        message
    }
}

/// The default encoding: structs travel with their field names.
pub struct Named;

/// Structs travel as arrays, as they do in tarpc's MessagePack.
pub struct Compact;

/// Connects and listens with mux's own transports, as its users do; a stream made elsewhere is for `count` only.
macro_rules! peer {
    ($peer:ident, $client:ident, $server:ident) => {
        impl Peer for $peer {
            type Client = $client;

            async fn open<S: Stream>(stream: S) -> Result<$client> {
                Ok($client::new(&Connection::builder().limits(limits()).open(stream)))
            }

            async fn answer<S: Stream>(stream: S) -> Result<()> {
                let service = $server::new(Echoing);
                let builder = Connection::builder().limits(limits()).service(service);
                builder.accept(stream).closed().await;
                Ok(())
            }

            async fn connect(address: Address) -> Result<$client> {
                Ok($client::connect(address.to_string().as_str()).await?)
            }

            async fn listen(address: Address) -> Result<()> {
                let server = Server::new().service($server::new(Echoing)).limits(limits());
                server.listen(address.to_string().as_str()).await?.run_until(future::pending::<()>()).await;
                Ok(())
            }
        }

        impl super::Echo for $client {
            type Load = Message;

            async fn echo(&self, message: Message) -> Result<Message> {
                // The generated method, not this one.
                Ok($client::echo(self, message).await?)
            }
        }
    };
}

peer!(Named, EchoClient, EchoServer);
peer!(Compact, CompactEchoClient, CompactEchoServer);

fn limits() -> Limits {
    Limits { max_in_flight: MOST_IN_FLIGHT as _, ..Limits::default() }
}
