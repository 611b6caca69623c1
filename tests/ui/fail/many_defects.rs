//! Every defect is shown at once, and nothing else: the uses below are not at fault.

use mux::Context;

#[mux::service(nam = "shop", debug)]
pub trait Shop {
    type Row;
    const LIMIT: u32;
    async fn good(&self, sku: &str) -> u32;
    async fn generic<T>(&self, value: T);
    async fn by_value(self);
    async fn exclusive(&mut self);
    fn no_receiver();
    async fn pattern(&self, (a, b): (u8, u8));
    async fn nested(&self) -> Option<Option<u8>>;
    async fn mutable(&self, buffer: &mut Vec<u8>) -> &str;
    async fn new(&self);
    #[mux(name = "good")]
    async fn twin(&self) -> u32;
    #[mux(notify, idempotent, loud)]
    async fn log(&self, line: String);
    #[mux(inline)]
    async fn waits(&self, #[mux(context)] cx: Context);
    const fn constant(&self) -> u8;
}

struct Here;

impl Shop for Here {
    type Row = u8;
    const LIMIT: u32 = 1;
    async fn good(&self, _: &str) -> u32 {
        1
    }
    async fn generic<T>(&self, _: T) {}
    async fn by_value(self) {}
    async fn exclusive(&mut self) {}
    fn no_receiver() {}
    async fn pattern(&self, (_, _): (u8, u8)) {}
    async fn nested(&self) -> Option<Option<u8>> {
        None
    }
    async fn mutable(&self, _: &mut Vec<u8>) -> &str {
        ""
    }
    async fn new(&self) {}
    async fn twin(&self) -> u32 {
        1
    }
    async fn log(&self, _: String) {}
    async fn waits(&self, _: Context) {}
    fn constant(&self) -> u8 {
        1
    }
}

fn main() {
    let _server = mux::Server::new().service(ShopServer::new(Here));
    let client = ShopClient::local(Here);
    let _call = client.good("apple");
    let _other = (client.log(String::new()), client.twin(), client.waits());
    let _refused = (client.generic(1), client.by_value(), client.pattern((1, 2)), client.nested());
    let _ = ShopRequest::decode("good", &mux::Bytes::new());
}
