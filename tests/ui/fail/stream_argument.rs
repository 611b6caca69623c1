use mux::Stream;
use tokio_stream::iter;

#[mux::service]
pub trait Shop {
    async fn load(&self, rows: impl Stream<Item = u8>) -> u64;
    async fn more(&self, rows: Box<dyn Stream<Item = u8> + Send>) -> u64;
}

struct Here;

impl Shop for Here {
    async fn load(&self, rows: impl Stream<Item = u8>) -> u64 {
        std::future::ready(()).await;
        drop(rows);
        1
    }
    async fn more(&self, rows: Box<dyn Stream<Item = u8> + Send>) -> u64 {
        drop(rows);
        1
    }
}

fn main() {
    let client = ShopClient::local(Here);
    drop(client.load(iter([1])));
    drop(client.more(Box::new(iter([1]))));
}
