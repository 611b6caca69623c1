//! No client can be made of this trait, and yet its uses are not at fault.

#[mux::service]
pub trait Shop<'a> {
    async fn good(&self, sku: &str) -> u32;
}

struct Here;

impl Shop<'_> for Here {
    async fn good(&self, _: &str) -> u32 {
        1
    }
}

fn uses(client: &ShopClient) {
    let _ = client.clone().good("apple");
}

fn main() {
    let _server = mux::Server::new().service(ShopServer::new(Here));
    uses(&ShopClient::local(Here));
}
