#[mux::service]
pub trait Shop {
    #[cfg_attr(unix, mux(notify))]
    fn get(&self);
}

fn main() {}
