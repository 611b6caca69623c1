#[mux::service]
pub trait Shop {
    #[mux(detached)]
    fn get(&self) -> u8;
}

fn main() {}
