use std::marker::PhantomData;

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Row(PhantomData<*const u8>);

#[mux::service]
pub trait Shop {
    async fn get(&self) -> Row;
}

fn main() {}
