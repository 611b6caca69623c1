#[derive(serde::Serialize, serde::Deserialize)]
pub struct Row;

#[mux::service]
pub trait Shop {
    async fn put(&self, row: &Row);
}

fn main() {}
