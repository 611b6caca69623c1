pub struct Row;
pub struct Line;

#[mux::service]
pub trait Shop {
    async fn load(&self, rows: mux::Receiver<Row>) -> mux::Sender<Line>;
}

fn main() {}
