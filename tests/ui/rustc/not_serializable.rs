#[derive(Clone)]
pub struct Row;

#[mux::service]
pub trait Shop {
    async fn put(&self, row: Row) -> Row;
}

fn main() {}
