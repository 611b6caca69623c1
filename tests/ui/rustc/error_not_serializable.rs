#[derive(Debug)]
pub struct Shortage;

#[mux::service]
pub trait Shop {
    async fn take(&self, units: u32) -> Result<u32, Shortage>;
}

fn main() {}
