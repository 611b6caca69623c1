#[mux::service]
pub trait Shop {
    async fn merge(&self, other: Self) -> u8;
}

fn main() {}
