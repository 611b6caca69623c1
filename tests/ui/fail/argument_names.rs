#[mux::service]
pub trait Shop {
    fn empty(&self, #[mux(name = "")] n: u8);
    fn number(&self, #[mux(name = 7)] n: u8);
    fn same(&self, #[mux(name = "b")] a: u8, b: u8);
    fn context(&self, #[mux(context, name = "cx")] cx: &mux::Context);
}

fn main() {}
