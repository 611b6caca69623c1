//! `#[cfg]` on the service, on methods, and on the last arguments.

#![deny(warnings)]
#![allow(unexpected_cfgs)]

#[mux::service(debug)]
pub trait Conditional {
    async fn always(&self, a: u8, #[cfg(off)] b: Option<Missing>, #[cfg(off)] c: Option<u8>) -> u8;
    async fn present(&self, a: u8, #[cfg(not(off))] b: Option<u8>, #[cfg(not(off))] #[mux(default)] c: &str) -> u8;
    async fn only(&self, #[cfg(off)] a: Option<&Missing>);
    #[cfg(off)]
    async fn never(&self, a: Missing) -> Missing;
    #[cfg(not(off))]
    fn system(&self) -> u8;
    #[cfg(off)]
    fn system(&self) -> Missing;
}

struct Here;

impl Conditional for Here {
    async fn always(&self, a: u8) -> u8 {
        a
    }
    async fn present(&self, a: u8, b: Option<u8>, c: &str) -> u8 {
        a + b.unwrap_or(0) + u8::try_from(c.len()).unwrap()
    }
    async fn only(&self) {}
    fn system(&self) -> u8 {
        1
    }
}

#[mux::service]
#[cfg(off)]
pub trait Gone {
    async fn gone(&self) -> Missing;
}

#[mux::service]
pub trait AllGone {
    #[cfg(off)]
    async fn gone(&self, cx: &Missing) -> Missing;
}

#[mux::service]
pub trait Lent {
    #[cfg(off)]
    async fn gone(&self, text: &str);
    async fn kept(&self, number: u8);
}

impl Lent for Here {
    async fn kept(&self, _: u8) {}
}

#[mux::service]
pub trait Empty {}

impl Empty for Here {}
impl AllGone for Here {}

fn main() {
    let client = ConditionalClient::local(Here);
    assert_eq!(client.always(3).wait().unwrap(), 3);
    assert_eq!(client.present(3, Some(1), "ab").wait().unwrap(), 6);
    assert_eq!(client.system().wait().unwrap(), 1);

    let body = mux::Bytes::from_static(b"\x91\x03");
    let request = ConditionalRequest::decode("present", &body).unwrap();
    assert_eq!(format!("{request:?}"), "present { a: 3, b: None, c: \"\" }");
    assert!(ConditionalRequest::decode("never", &body).is_err());
    assert!(EmptyRequest::decode("x", &body).is_err());
    assert!(AllGoneRequest::decode("gone", &body).is_err());
    assert!(LentRequest::decode("kept", &body).is_ok());
    let _ = (EmptyServer::new(Here), AllGoneServer::new(Here), LentServer::new(Here));
    let _ = (EmptyClient::local(Here), AllGoneClient::local(Here));
}
