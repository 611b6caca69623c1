//! The methods of the generated twin are not found before the user's own on an `Arc`.

#![deny(warnings)]

use std::sync::Arc;

#[mux::service]
pub trait Counter {
    fn count(&self) -> u32;
    async fn next(&self, by: &u32) -> u32;
}

pub struct Here;

impl Counter for Here {
    fn count(&self) -> u32 {
        1
    }
    async fn next(&self, by: &u32) -> u32 {
        *by
    }
}

#[mux::service]
pub trait Results {
    async fn untyped(&self, text: &str) -> mux::Result<u32>;
    async fn typed(&self) -> std::result::Result<(), u8>;
    async fn alias(&self) -> Outcome;
    fn bytes(&self) -> Result<Vec<u8>, String>;
}

pub type Outcome = Result<u8, u8>;

impl Results for Here {
    async fn untyped(&self, text: &str) -> mux::Result<u32> {
        Ok(text.parse()?)
    }
    async fn typed(&self) -> Result<(), u8> {
        Err(1)
    }
    async fn alias(&self) -> Outcome {
        Err(1)
    }
    fn bytes(&self) -> Result<Vec<u8>, String> {
        Ok(vec![1])
    }
}

fn main() {
    let shared = Arc::new(Here);
    let _: u32 = shared.count();
    let _ = shared.next(&2);
    let _ = CounterServer::from_arc(Arc::clone(&shared));

    let client = ResultsClient::local(Here);
    assert_eq!(client.untyped("5").wait().unwrap(), 5);
    assert!(client.untyped("x").wait().is_err());
    assert!(matches!(client.typed().wait(), Err(mux::Error::App(1))));
    assert!(matches!(client.alias().wait(), Ok(Err(1))));
    assert_eq!(client.bytes().wait().unwrap(), [1]);
}
