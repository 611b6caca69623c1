#[mux::service]
pub trait Shop {
    #[mux(name "get")]
    fn get(&self);
}

fn main() {}
