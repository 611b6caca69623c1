#[mux::service]
pub trait Shop {
    async fn take(&self, units: u32) -> u32;
    async fn note(&self, line: String);
}

pub struct Here;

impl Shop for Here {
    fn take(&self, units: u32) -> u32 {
        units
    }
    fn note(&self, _: String) {}
}

fn main() {}
