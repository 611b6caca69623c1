#[mux::service]
pub trait Shop {
    async fn new(&self) -> u8;
    async fn local(&self) -> u8;
    async fn connect(&self) -> u8;
    async fn connect_blocking(&self) -> u8;
    async fn clone(&self) -> u8;
}

fn main() {}
