pub trait Stream {
    type Item;
}

#[mux::service]
pub trait Shop {
    async fn watch(&self) -> impl Stream<Item = u8>;
}

fn main() {}
