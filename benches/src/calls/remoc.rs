//! remoc as its documentation has it: a remote trait, whose server handles calls in parallel, more than by default.

use std::sync::Arc;

use remoc::rtc::{self, CallError, ServerShared};
use remoc::{Cfg, Connect, ConnectExt, codec};

use super::MOST_IN_FLIGHT;
use super::message::Message;
use crate::Result;
use crate::address::Stream;
use crate::peer::Peer;

#[rtc::remote]
pub trait Echo {
    async fn echo(&self, message: Message) -> Result<Message, CallError>;
}

struct Echoing;

impl Echo for Echoing {
    async fn echo(&self, message: Message) -> Result<Message, CallError> {
        message.handled().await;
        Ok(message)
    }
}

pub struct Remoc;

impl Peer for Remoc {
    type Client = EchoClient;

    async fn open<S: Stream>(stream: S) -> Result<EchoClient> {
        let (reading, writing) = stream.halves();
        Ok(Connect::io(Cfg::default(), reading, writing).consume().await?)
    }

    async fn answer<S: Stream>(stream: S) -> Result<()> {
        let (mut server, client) = EchoServerShared::<_, codec::Default>::new(Arc::new(Echoing));
        server.set_parallelism(MOST_IN_FLIGHT);
        let (reading, writing) = stream.halves();
        Connect::io(Cfg::default(), reading, writing).provide(client).await?;
        // Its error is not `Sync`.
        server.serve().await.map_err(|error| error.to_string().into())
    }
}

impl super::Echo for EchoClient {
    type Load = Message;

    async fn echo(&self, message: Message) -> Result<Message> {
        // The remote method, not this one.
        Ok(Echo::echo(self, message).await?)
    }
}
