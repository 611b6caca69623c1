#[mux::service]
pub trait Shop {
    async fn read(&self, path: &str) -> std::io::Result<u8>;
}

fn main() {}
