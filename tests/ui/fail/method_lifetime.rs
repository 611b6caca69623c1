#[mux::service]
pub trait Shop {
    async fn put<'x>(&self, value: &'x str);
}

fn main() {}
