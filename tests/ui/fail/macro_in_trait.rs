macro_rules! methods {
    () => {};
}

#[mux::service]
pub trait Shop {
    methods!();
    async fn get(&self) -> u8;
}

fn main() {}
