//! Methods whose names differ only in underscores or case are still told apart.

#![deny(warnings)]
#![allow(non_snake_case)]

#[mux::service(debug)]
pub trait Alike {
    async fn foo_bar(&self, a: u8) -> u8;
    async fn foo__bar(&self, a: u16) -> u16;
    async fn FOO_BAR(&self) -> u32;
    async fn self_(&self);
    async fn _1(&self);
    async fn ok(&self);
    async fn none(&self);
    async fn descriptor(&self);
    async fn decode(&self, run: u8);
    async fn run(&self);
    async fn from_mux(&self);
    async fn local_ok(&self);
    #[mux(name = "new")]
    async fn make(&self);
    fn größe(&self) -> u8;
}

struct Here;

impl Alike for Here {
    async fn foo_bar(&self, a: u8) -> u8 {
        a
    }
    async fn foo__bar(&self, a: u16) -> u16 {
        a
    }
    async fn FOO_BAR(&self) -> u32 {
        3
    }
    async fn self_(&self) {}
    async fn _1(&self) {}
    async fn ok(&self) {}
    async fn none(&self) {}
    async fn descriptor(&self) {}
    async fn decode(&self, _: u8) {}
    async fn run(&self) {}
    async fn from_mux(&self) {}
    async fn local_ok(&self) {}
    async fn make(&self) {}
    fn größe(&self) -> u8 {
        1
    }
}

/// No argument borrows, so the request outlives its message.
fn owned(body: &[u8]) -> AlikeRequest<'static> {
    AlikeRequest::decode("foo_bar", body).unwrap()
}

fn main() {
    let client = AlikeClient::local(Here);
    let copy = Clone::clone(&client);
    assert_eq!(copy.foo_bar(1).wait().unwrap(), 1);
    assert_eq!(copy.foo__bar(2).wait().unwrap(), 2);
    assert_eq!(copy.FOO_BAR().wait().unwrap(), 3);

    let body = mux::Bytes::from_static(b"\x91\x05");
    let first = owned(&body);
    let second = AlikeRequest::decode("foo__bar", &body).unwrap();
    assert_eq!(format!("{first:?} {second:?}"), "foo_bar { a: 5 } foo__bar { a: 5 }");
}
