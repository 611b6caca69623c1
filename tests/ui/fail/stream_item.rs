use std::any::Any;

use mux::Stream;

#[mux::service]
pub trait Shop {
    async fn names(&self) -> impl Stream<Item = &str>;
    async fn lists(&self) -> mux::Result<impl Stream<Item = Result<Vec<&u8>, String>>>;
    async fn objects(&self) -> impl Stream<Item = Box<dyn Any + Send>>;
    async fn opaque(&self) -> impl Stream<Item = impl Clone>;
    async fn streams(&self) -> impl Stream<Item = impl Stream<Item = u8>>;
    async fn own(&self) -> impl Stream<Item = Self>;
}

fn main() {}
