use std::rc::Rc;

#[mux::service]
pub trait Shop {
    async fn get(&self) -> u8;
}

pub struct Here;

impl Shop for Here {
    async fn get(&self) -> u8 {
        let rc = Rc::new(1);
        std::future::ready(()).await;
        *rc
    }
}

fn main() {}
