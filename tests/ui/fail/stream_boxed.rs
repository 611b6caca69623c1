use std::pin::Pin;

use mux::Stream;

#[mux::service]
pub trait Shop {
    async fn watch(&self) -> Pin<Box<dyn Stream<Item = u8> + Send>>;
}

fn main() {}
