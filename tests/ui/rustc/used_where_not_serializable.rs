//! Neither an implementation nor a server or a client adds to it.

pub struct Shortage;

#[mux::service]
pub trait Shop {
    async fn take(&self, units: u32) -> Result<u32, Shortage>;
}

pub struct Here;

impl Shop for Here {
    async fn take(&self, units: u32) -> Result<u32, Shortage> {
        if units == 0 { Err(Shortage) } else { Ok(units) }
    }
}

pub async fn take(connection: &mux::Connection) -> bool {
    let _server = mux::Connection::builder().service(ShopServer::new(Here));
    ShopClient::local(Here).take(1).await.is_ok() && ShopClient::new(connection).take(1).await.is_ok()
}

fn main() {}
