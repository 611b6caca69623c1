#[mux::service]
pub trait Shop {
    async fn put(&self, #[cfg(unix)] a: Option<u8>, b: u8);
}

fn main() {}
