#[mux::service]
pub trait Shop {
    async fn add(&self, _: u8) -> u8;
}

fn main() {}
