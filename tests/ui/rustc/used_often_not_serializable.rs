//! Each type is told once, where it stands first.

#[derive(Clone)]
pub struct Row;

#[mux::service]
pub trait Shop {
    async fn put(&self, row: Row) -> Row;
    async fn update(&self, row: &Row) -> Result<Row, String>;
    fn rows(&self) -> impl mux::Stream<Item = Row>;
}

fn main() {}
