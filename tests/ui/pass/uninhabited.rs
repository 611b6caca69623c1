//! An argument of which there is no value.

#![deny(warnings)]

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Nothing {}

#[mux::service]
pub trait Idle {
    async fn wait(&self, nothing: Nothing) -> Nothing;
}

struct Here;

impl Idle for Here {
    async fn wait(&self, nothing: Nothing) -> Nothing {
        nothing
    }
}

fn main() {
    let body = mux::Bytes::from_static(b"\x91\xc0");
    assert!(IdleRequest::decode("wait", &body).is_err());
    let _ = (IdleServer::new(Here), IdleClient::local(Here));
}
