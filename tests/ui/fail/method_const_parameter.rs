#[mux::service]
pub trait Shop {
    async fn put<const N: usize>(&self, value: u8);
}

fn main() {}
