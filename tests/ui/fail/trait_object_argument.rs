#[mux::service]
pub trait Shop {
    async fn put(&self, value: Box<dyn Send>, call: fn(u8) -> u8);
}

fn main() {}
