#[mux::service]
pub trait Shop {
    #[mux]
    fn get(&self);
    #[mux()]
    fn put(&self);
}

fn main() {}
