#[mux::service]
pub trait Shop {
    #[mux(inlined)]
    fn get(&self) -> u8;
}

fn main() {}
