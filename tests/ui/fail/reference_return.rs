#[mux::service]
pub trait Shop {
    async fn name(&self) -> &str;
}

fn main() {}
