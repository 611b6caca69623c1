#[mux::service(name = shop, crate = "mux", encoding = "json")]
pub trait Shop {
    #[mux(notify = true, name)]
    fn get(&self);
}

fn main() {}
