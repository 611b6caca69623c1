pub struct Plain;
pub struct Fallible;
pub struct InAlias;
pub struct Nested;

#[mux::service]
pub trait Shop {
    async fn plain(&self) -> Plain;
    async fn fallible(&self) -> Result<Fallible, String>;
    async fn in_alias(&self) -> mux::Result<InAlias>;
    fn nested(&self) -> Vec<(u8, Nested)>;
}

fn main() {}
