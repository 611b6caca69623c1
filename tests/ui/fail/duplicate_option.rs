#[mux::service(debug, debug)]
pub trait Shop {
    #[mux(inline)]
    #[mux(inline)]
    fn get(&self) -> u8;
}

fn main() {}
