use mux::Stream;

pub struct Row;

#[mux::service]
pub trait Shop {
    async fn watch(&self) -> impl Stream<Item = Row>;
}

fn main() {}
