#[mux::service]
pub trait Shop {
    async fn close(self);
}

fn main() {}
