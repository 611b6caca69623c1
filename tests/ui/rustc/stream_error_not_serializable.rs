use mux::Stream;

#[mux::service]
pub trait Shop {
    async fn watch(&self) -> impl Stream<Item = std::io::Result<u8>>;
}

fn main() {}
