//! A `Result` of what cannot travel is a defect where it is written, and nowhere else.

use mux::Stream;

#[mux::service]
pub trait Shop {
    async fn name(&self) -> Result<&str, String>;
    async fn names(&self) -> mux::Result<impl Stream<Item = Result<&str, u8>>>;
}

fn main() {}

async fn call(client: &ShopClient) {
    let _: mux::Call<&str, String> = client.name();
    let _: mux::Call<mux::Receiver<&str, u8>> = client.names();
}
