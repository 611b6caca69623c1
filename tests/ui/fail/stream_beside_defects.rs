//! Streaming methods are no worse for the defects of others, nor for one in their arguments.

use mux::{Receiver, Stream};
use tokio_stream::iter;

#[mux::service]
pub trait Shop {
    async fn watch(&self) -> impl Stream<Item = u8>;
    fn scan(&self) -> Result<impl Stream<Item = Result<u8, u8>>, String>;
    async fn take(&self, (a, b): (u8, u8)) -> impl Stream<Item = Result<u8, u8>>;
    async fn audit(&mut self) -> Result<impl Stream<Item = u8>, String>;
}

struct Here;

impl Shop for Here {
    async fn watch(&self) -> impl Stream<Item = u8> {
        iter([1])
    }
    fn scan(&self) -> Result<impl Stream<Item = Result<u8, u8>>, String> {
        Ok(iter([Ok(1)]))
    }
    async fn take(&self, (a, b): (u8, u8)) -> impl Stream<Item = Result<u8, u8>> {
        iter([Ok(a + b)])
    }
    async fn audit(&mut self) -> Result<impl Stream<Item = u8>, String> {
        Ok(iter([1]))
    }
}

fn main() {
    let _server = ShopServer::new(Here);
    let client = ShopClient::local(Here);
    let _: mux::Call<Receiver<u8>> = client.watch();
    let _: mux::Call<Receiver<u8, u8>, String> = client.scan();
    let _: mux::Call<Receiver<u8, u8>> = client.take((1, 2));
    let _: mux::Call<Receiver<u8>, String> = client.audit();
}
