#[mux::service]
pub trait Shop {
    fn get(&self, #[mux(ctx)] cx: u8) -> u8;
}

fn main() {}
