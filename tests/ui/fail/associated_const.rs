#[mux::service]
pub trait Shop {
    const LIMIT: u32;
    async fn get(&self) -> u8;
}

fn main() {}
