#[mux::service]
pub trait Shop {
    async fn get(&'static self) -> u8;
}

fn main() {}
