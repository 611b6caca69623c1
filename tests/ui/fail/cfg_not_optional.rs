#[mux::service]
pub trait Shop {
    async fn put(&self, a: u8, #[cfg(unix)] b: u8);
}

fn main() {}
