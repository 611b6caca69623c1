#[mux::service]
pub trait Shop {
    unsafe fn get(&self) -> u8;
}

fn main() {}
