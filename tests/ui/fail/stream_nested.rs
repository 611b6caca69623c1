use mux::Stream;

#[mux::service]
pub trait Shop {
    async fn many(&self) -> Vec<impl Stream<Item = u8>>;
    async fn perhaps(&self) -> Option<impl Stream<Item = u8>>;
    async fn named(&self) -> (String, impl Stream<Item = u8>);
    async fn failing(&self) -> Result<u8, impl Stream<Item = u8>>;
    async fn twice(&self) -> Result<Result<impl Stream<Item = u8>, u8>, u8>;
}

fn main() {}
