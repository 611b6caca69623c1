#[mux::service(name = "shop.")]
pub trait Shop {
    #[mux(name = "")]
    fn get(&self);
    #[mux(name = "a.b")]
    fn put(&self);
}

fn main() {}
