#[mux::service]
pub trait Shop {
    async fn set(&mut self, value: u8);
}

fn main() {}
