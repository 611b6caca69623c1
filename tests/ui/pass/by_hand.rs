//! Methods that are `async fn` in the trait may be written without `async`.
#![deny(refining_impl_trait)]

use std::future::ready;

#[mux::service]
pub trait Shop {
    async fn take(&self, units: u32) -> u32;
    async fn note(&self, line: String);
}

pub struct Here;

impl Shop for Here {
    fn take(&self, units: u32) -> impl Future<Output = u32> + Send {
        ready(units)
    }

    fn note(&self, _: String) -> impl Future<Output = ()> + Send {
        async {}
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(Here.take(3).await, 3);
    assert_eq!(ShopClient::local(Here).take(3).await.unwrap(), 3);
}
