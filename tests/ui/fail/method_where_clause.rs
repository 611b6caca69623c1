#[mux::service]
pub trait Shop {
    async fn put(&self)
    where
        Self: Sized;
}

fn main() {}
