#[mux::service]
pub trait Shop {
    async fn find(&self) -> Result<Option<Option<u8>>, String>;
}

fn main() {}
