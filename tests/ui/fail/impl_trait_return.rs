#[mux::service]
pub trait Shop {
    async fn list(&self) -> impl Iterator<Item = u8>;
}

fn main() {}
