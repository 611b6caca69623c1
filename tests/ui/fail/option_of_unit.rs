#[mux::service]
pub trait Shop {
    async fn find(&self) -> Option<()>;
}

fn main() {}
