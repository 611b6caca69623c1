#[mux::service]
pub trait Shop<const N: usize> {
    async fn get(&self) -> [u8; N];
}

fn main() {}
