pub struct Row<'a>(pub &'a str);

#[mux::service]
pub trait Shop {
    async fn put(&self, row: Row<'_>);
}

fn main() {}
