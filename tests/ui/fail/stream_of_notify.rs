use mux::Stream;

#[mux::service]
pub trait Shop {
    #[mux(notify)]
    async fn watch(&self) -> impl Stream<Item = u8>;
}

fn main() {}
