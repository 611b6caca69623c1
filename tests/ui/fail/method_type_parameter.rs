#[mux::service]
pub trait Shop {
    async fn put<T: serde::Serialize>(&self, value: T);
}

fn main() {}
