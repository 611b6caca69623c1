#[derive(Clone)]
pub struct Owned;
#[derive(Clone)]
pub struct Borrowed;
#[derive(Clone)]
pub struct InSlice;
#[derive(Clone)]
pub struct Optional;

#[mux::service]
pub trait Shop {
    async fn owned(&self, row: Owned);
    async fn borrowed(&self, row: &Borrowed);
    fn in_slice(&self, rows: &[InSlice]);
    fn optional(&self, row: Option<&Optional>);
}

fn main() {}
