#[mux::service]
pub trait Shop {
    type Row;
    async fn get(&self) -> u8;
}

fn main() {}
