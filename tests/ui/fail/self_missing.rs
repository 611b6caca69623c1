#[mux::service]
pub trait Shop {
    async fn make() -> u8;
}

fn main() {}
