#[mux::service]
pub unsafe trait Shop {
    async fn get(&self) -> u8;
}

fn main() {}
