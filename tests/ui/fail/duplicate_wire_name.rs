#[mux::service]
pub trait Shop {
    async fn get(&self) -> u8;
    #[mux(name = "get")]
    async fn fetch(&self) -> u8;
}

fn main() {}
