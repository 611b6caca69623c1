use mux::Stream;

pub struct Row;
pub struct Line;
pub struct Rotten;
pub struct Gone;

#[mux::service]
pub trait Shop {
    async fn watch(&self) -> impl Stream<Item = Row>;
    async fn audit(&self) -> Result<impl Stream<Item = Result<Line, Rotten>>, Gone>;
}

fn main() {}
