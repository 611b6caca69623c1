#[mux::service]
pub trait Shop {
    async fn find(&self, key: Option<Option<u8>>);
}

fn main() {}
