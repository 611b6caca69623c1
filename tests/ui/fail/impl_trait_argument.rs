#[mux::service]
pub trait Shop {
    async fn put(&self, value: impl Into<String>);
}

fn main() {}
