#[mux::service]
pub trait Shop {
    async fn put(&self, names: Vec<&str>, pair: (&str, u8), doubly: &&str);
}

fn main() {}
