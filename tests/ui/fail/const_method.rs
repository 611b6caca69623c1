#[mux::service]
pub trait Shop {
    const fn get(&self) -> u8;
}

fn main() {}
