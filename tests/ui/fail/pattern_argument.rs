#[mux::service]
pub trait Shop {
    async fn add(&self, (a, b): (u8, u8)) -> u8;
}

fn main() {}
