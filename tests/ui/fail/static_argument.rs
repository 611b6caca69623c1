#[mux::service]
pub trait Shop {
    async fn put(&self, name: &'static str);
}

fn main() {}
