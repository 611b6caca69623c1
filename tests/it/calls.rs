use mux::{Connection, Context, Error};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shortage {
    left: u32,
}

#[mux::service]
pub trait Inventory {
    /// Units on hand.
    async fn stock(&self, sku: &str) -> u32;
    async fn take(&self, sku: &str, units: u32) -> Result<u32, Shortage>;
    async fn import(&self, path: String) -> mux::Result<u64>;
    fn checksum(&self, blob: &[u8]) -> u64;
    #[mux(notify)]
    async fn log(&self, line: String);
    async fn who(&self, #[mux(context)] cx: &Context) -> String;
    async fn boom(&self) -> u32;
}

struct Shop;

impl Inventory for Shop {
    async fn stock(&self, sku: &str) -> u32 {
        sku.len() as u32
    }
    async fn take(&self, _sku: &str, units: u32) -> Result<u32, Shortage> {
        tokio::task::yield_now().await;
        if units > 3 { Err(Shortage { left: 3 }) } else { Ok(3 - units) }
    }
    async fn import(&self, path: String) -> mux::Result<u64> {
        Ok(std::fs::metadata(path)?.len())
    }
    fn checksum(&self, blob: &[u8]) -> u64 {
        blob.iter().map(|b| u64::from(*b)).sum()
    }
    async fn log(&self, _line: String) {}
    async fn who(&self, cx: &Context) -> String {
        format!("{:?} {}", cx.xid(), cx.meta("tenant").unwrap_or_default())
    }
    async fn boom(&self) -> u32 {
        panic!("boom {}", 1)
    }
}

#[tokio::test]
async fn first_light() {
    let (a, b) = mux::pair();
    let server = Connection::builder().service(InventoryServer::new(Shop)).accept(b);
    let conn = Connection::builder().open(a);
    let shop = InventoryClient::new(&conn);
    assert_eq!(shop.stock("apple").await.unwrap(), 5);
    assert_eq!(shop.take("apple", 2).await.unwrap(), 1);
    assert_eq!(shop.take("apple", 9).await.unwrap_err(), Error::App(Shortage { left: 3 }));
    let Err(Error::Remote(r)) = shop.import("/nope".into()).await else { panic!() };
    println!("{r:#}");
    let Err(Error::Remote(r)) = shop.boom().await else { panic!() };
    println!("{r:#}");
    assert_eq!(shop.checksum(&[1, 2, 3]).await.unwrap(), 6);
    shop.log("x".into()).await.unwrap();
    println!("{}", shop.who().meta("tenant", "eu").await.unwrap());
    let local = InventoryClient::local(Shop);
    assert_eq!(local.stock("apple").await.unwrap(), 5);
    assert_eq!(local.checksum(&[1, 2]).await.unwrap(), 3);
    conn.close();
    println!("{:?}", shop.stock("apple").await);
    println!("{:?}", server.closed().await);
}
