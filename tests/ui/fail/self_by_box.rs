#[mux::service]
pub trait Shop {
    async fn close(self: Box<Self>);
}

fn main() {}
