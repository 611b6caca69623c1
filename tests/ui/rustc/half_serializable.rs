//! With one of the two derives.

#[derive(serde::Deserialize)]
pub struct In;
#[derive(serde::Serialize)]
pub struct Out;
#[derive(serde::Deserialize)]
pub struct Unsent;
#[derive(serde::Serialize)]
pub struct Unread;

#[mux::service]
pub trait Shop {
    async fn put(&self, row: In) -> Result<Out, Unsent>;
    fn take(&self) -> Result<u8, Unread>;
}

fn main() {}
