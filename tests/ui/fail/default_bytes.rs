#[mux::service]
pub trait Shop {
    async fn put(&self, #[mux(default)] blob: Vec<u8>);
}

fn main() {}
