#[mux::service(nam = "shop")]
pub trait Shop {
    async fn get(&self) -> u8;
}

fn main() {}
