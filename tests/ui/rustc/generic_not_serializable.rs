#[derive(Clone)]
pub struct Entry<V>(V);

#[mux::service]
pub trait Store<V: Clone> {
    async fn put(&self, entry: &Entry<V>) -> Result<Vec<V>, V>;
}

fn main() {}
