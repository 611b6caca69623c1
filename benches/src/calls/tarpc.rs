//! tarpc as its documentation has it, with its limits raised: a task for every request, serde over length-delimited
//! frames.

use std::marker::PhantomData;

use futures::StreamExt;
use tarpc::client::Config as ClientConfig;
use tarpc::context::{self, Context};
use tarpc::serde_transport;
use tarpc::server::{BaseChannel, Channel, Config as ServerConfig};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::MOST_IN_FLIGHT;
use super::message::Message;
use crate::Result;
use crate::address::Stream;
use crate::format::Format;
use crate::peer::Peer;

#[tarpc::service]
trait Echo {
    async fn echo(message: Message) -> Message;
}

#[derive(Clone)]
struct Echoing;

impl Echo for Echoing {
    async fn echo(self, _: Context, message: Message) -> Message {
        message.handled().await;
        message
    }
}

pub struct Tarpc<F>(PhantomData<F>);

impl<F: Format> Peer for Tarpc<F> {
    type Client = Asker;

    async fn open<S: Stream>(stream: S) -> Result<Asker> {
        let transport = serde_transport::new(framed(stream), F::Codec::default());
        let mut config = ClientConfig::default();
        config.max_in_flight_requests = MOST_IN_FLIGHT;
        config.pending_request_buffer = MOST_IN_FLIGHT;
        Ok(Asker(EchoClient::new(config, transport).spawn()))
    }

    async fn answer<S: Stream>(stream: S) -> Result<()> {
        let transport = serde_transport::new(framed(stream), F::Codec::default());
        let config = ServerConfig { pending_response_buffer: MOST_IN_FLIGHT };
        let requests = BaseChannel::new(config, transport).execute(Echoing.serve());
        requests
            .for_each(async |request| {
                tokio::spawn(request);
            })
            .await;
        Ok(())
    }
}

fn framed<S: Stream>(stream: S) -> Framed<S, LengthDelimitedCodec> {
    Framed::new(stream, LengthDelimitedCodec::new())
}

#[derive(Clone)]
pub struct Asker(EchoClient);

impl super::Echo for Asker {
    type Load = Message;

    async fn echo(&self, message: Message) -> Result<Message> {
        Ok(self.0.echo(context::current(), message).await?)
    }
}
