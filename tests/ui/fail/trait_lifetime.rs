#[mux::service]
pub trait Shop<'a> {
    async fn get(&self, name: &str) -> u8;
}

fn main() {}
