//! tarpc as its documentation has it: a task for every request, serde over length-delimited frames. Its frames may be
//! longer than they are by default.

use std::marker::PhantomData;

use bytes::Bytes;
use futures::StreamExt;
use tarpc::client::Config;
use tarpc::context::{self, Context};
use tarpc::serde_transport;
use tarpc::server::{BaseChannel, Channel};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::{Bulk, LARGEST};
use crate::Result;
use crate::address::Stream;
use crate::format::Format;
use crate::peer::Peer;

#[tarpc::service]
trait Blobs {
    async fn blob(blob: Bytes) -> Bytes;
    async fn ping(number: u64) -> u64;
}

#[derive(Clone)]
struct Echoing;

impl Blobs for Echoing {
    async fn blob(self, _: Context, blob: Bytes) -> Bytes {
        blob
    }

    async fn ping(self, _: Context, number: u64) -> u64 {
        number
    }
}

pub struct Tarpc<F>(PhantomData<F>);

impl<F: Format> Peer for Tarpc<F> {
    type Client = Asker;

    async fn open<S: Stream>(stream: S) -> Result<Asker> {
        let transport = serde_transport::new(framed(stream), F::Codec::default());
        Ok(Asker(BlobsClient::new(Config::default(), transport).spawn()))
    }

    async fn answer<S: Stream>(stream: S) -> Result<()> {
        let transport = serde_transport::new(framed(stream), F::Codec::default());
        let requests = BaseChannel::with_defaults(transport).execute(Echoing.serve());
        requests
            .for_each(async |request| {
                tokio::spawn(request);
            })
            .await;
        Ok(())
    }
}

fn framed<S: Stream>(stream: S) -> Framed<S, LengthDelimitedCodec> {
    LengthDelimitedCodec::builder().max_frame_length(LARGEST).new_framed(stream)
}

#[derive(Clone)]
pub struct Asker(BlobsClient);

impl Bulk for Asker {
    async fn blob(&self, blob: Bytes) -> Result<Bytes> {
        Ok(self.0.blob(context::current(), blob).await?)
    }

    async fn ping(&self, number: u64) -> Result<u64> {
        Ok(self.0.ping(context::current(), number).await?)
    }
}
