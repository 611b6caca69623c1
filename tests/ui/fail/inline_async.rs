#[mux::service]
pub trait Shop {
    #[mux(inline)]
    async fn get(&self) -> u8;
}

fn main() {}
