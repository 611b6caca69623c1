//! Arguments may be called what the generated code calls its own variables.

#![deny(warnings)]

#[mux::service(debug)]
pub trait Names {
    #[allow(clippy::too_many_arguments)]
    async fn first(&self, args: &str, context: u32, service: String, mux: u8, local: u8, request: u8, method: &str, body: u8);
    async fn second(&self, self_: u32, inspect: u32, connection: u32, count: u32, f: u32, never: u32) -> u32;
    async fn third(&self, #[mux(context)] cx: &mux::Context, context: &str, _underscored: u8) -> String;
    async fn r#type(&self, r#fn: u32, r#match: &str) -> u32;
    async fn stub(&self, stub: u32, inbound: u32, turn: u32, refused: u32, server: u32, a: u32) -> u32;
    async fn made(&self, make: u32, kept: u32, name: u32, running: u32, identity: u32) -> u32;
    fn blocking(&self, context: &str, service: Vec<u8>, #[mux(context)] args: &mux::Context) -> u32;
}

struct Here;

impl Names for Here {
    async fn first(&self, _: &str, _: u32, _: String, _: u8, _: u8, _: u8, _: &str, _: u8) {}
    async fn second(&self, self_: u32, _: u32, _: u32, _: u32, _: u32, never: u32) -> u32 {
        self_ + never
    }
    async fn third(&self, _: &mux::Context, context: &str, _: u8) -> String {
        context.to_owned()
    }
    async fn r#type(&self, r#fn: u32, _: &str) -> u32 {
        r#fn
    }
    async fn stub(&self, stub: u32, _: u32, _: u32, _: u32, _: u32, a: u32) -> u32 {
        stub + a
    }
    async fn made(&self, make: u32, kept: u32, _: u32, _: u32, _: u32) -> u32 {
        make + kept
    }
    fn blocking(&self, _: &str, service: Vec<u8>, _: &mux::Context) -> u32 {
        u32::from(service[0])
    }
}

fn main() {
    let client = NamesClient::local(Here);
    assert_eq!(client.second(1, 0, 0, 0, 0, 2).wait().unwrap(), 3);
    assert_eq!(client.third("text", 0).wait().unwrap(), "text");
    assert_eq!(client.r#type(7, "").wait().unwrap(), 7);
    assert_eq!(client.blocking("", vec![9]).wait().unwrap(), 9);

    let body = mux::Bytes::from_static(b"\x92\x07\xa1x");
    let request = NamesRequest::decode("type", &body).unwrap();
    assert_eq!(format!("{request:?}"), "type { fn: 7, match: \"x\" }");
    assert_eq!(request.method().path, "names.type");
}
