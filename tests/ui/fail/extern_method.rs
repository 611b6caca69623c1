#[mux::service]
pub trait Shop {
    extern "C" fn get(&self) -> u8;
}

fn main() {}
