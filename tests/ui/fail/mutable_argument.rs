#[mux::service]
pub trait Shop {
    async fn fill(&self, buffer: &mut Vec<u8>);
}

fn main() {}
