use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use mux::Stream;

#[mux::service]
pub trait Shop {
    async fn watch(&self) -> impl Stream<Item = u8>;
    fn scan(&self) -> Result<impl Stream<Item = u8>, String>;
}

struct Items(Rc<u8>);

impl Stream for Items {
    type Item = u8;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u8>> {
        Poll::Ready(Some(*self.0))
    }
}

struct Here;

impl Shop for Here {
    async fn watch(&self) -> impl Stream<Item = u8> {
        Items(Rc::new(1))
    }
    fn scan(&self) -> Result<impl Stream<Item = u8>, String> {
        Ok(Items(Rc::new(1)))
    }
}

fn main() {}
