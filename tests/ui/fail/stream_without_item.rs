use mux::Stream;

#[mux::service]
pub trait Shop {
    async fn watch(&self) -> impl Stream;
    async fn audit(&self) -> mux::Result<impl Stream<Item: Clone> + Send>;
}

fn main() {}
