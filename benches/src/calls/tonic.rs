//! tonic with prost, its limits raised. What is sent has other bytes than with MessagePack, and about as many.

use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use self::wire::echo_client::EchoClient;
use self::wire::echo_server::{self, EchoServer};
use super::MOST_IN_FLIGHT;
use super::message::Message;
use crate::Result;
use crate::address::Stream;
use crate::grpc::{self, Defaults, Setup};
use crate::peer::Peer;

#[allow(unused_qualifications, reason = "`build.rs` generates it")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/bench.Echo.rs"));
}

struct Echoing;

#[tonic::async_trait]
impl echo_server::Echo for Echoing {
    async fn echo(&self, message: Request<Message>) -> Result<Response<Message>, Status> {
        let message = message.into_inner();
        message.handled().await;
        Ok(Response::new(message))
    }
}

pub struct Tonic;

impl Peer for Tonic {
    type Client = Asker;

    async fn open<S: Stream>(stream: S) -> Result<Asker> {
        Ok(Asker(EchoClient::new(grpc::connect(Defaults::endpoint(), stream).await?)))
    }

    async fn answer<S: Stream>(stream: S) -> Result<()> {
        let mut server = Defaults::server().max_concurrent_streams(MOST_IN_FLIGHT as u32);
        grpc::serve(server.add_service(EchoServer::new(Echoing)), stream).await
    }
}

#[derive(Clone)]
pub struct Asker(EchoClient<Channel>);

impl super::Echo for Asker {
    type Load = Message;

    async fn echo(&self, message: Message) -> Result<Message> {
        Ok(self.0.clone().echo(message).await?.into_inner())
    }
}
