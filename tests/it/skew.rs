//! Ends that were built from different versions of one trait.

use mux::{Connection, Error, Limits};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OldRow {
    sku: String,
    gone: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NewRow {
    #[serde(default)]
    colour: String,
    sku: String,
}

mod old {
    use super::OldRow;

    #[mux::service(name = "store")]
    pub(crate) trait Store {
        async fn add(&self, sku: &str, units: u32) -> u32;
        async fn row(&self, row: OldRow) -> OldRow;
        async fn many(&self, a: u32, b: u32, c: u32) -> u32;
    }
}

mod new {
    use super::NewRow;

    #[mux::service(name = "store")]
    pub(crate) trait Store {
        async fn add(
            &self,
            sku: &str,
            units: u32,
            note: Option<String>,
            #[mux(default)] price: u64,
            label: Option<&str>,
        ) -> u32;
        async fn row(&self, row: NewRow) -> NewRow;
        async fn many(&self, a: u32) -> u32;
    }
}

struct New;

impl new::Store for New {
    async fn add(&self, sku: &str, units: u32, note: Option<String>, price: u64, label: Option<&str>) -> u32 {
        assert_eq!((note, price, label), (None, 0, None));
        units + sku.len() as u32
    }

    async fn row(&self, row: NewRow) -> NewRow {
        NewRow { colour: "red".into(), ..row }
    }

    async fn many(&self, a: u32) -> u32 {
        a
    }
}

struct Old;

impl old::Store for Old {
    async fn add(&self, sku: &str, units: u32) -> u32 {
        units + sku.len() as u32
    }

    async fn row(&self, row: OldRow) -> OldRow {
        row
    }

    async fn many(&self, a: u32, b: u32, c: u32) -> u32 {
        a + b + c
    }
}

fn over(builder: mux::Builder) -> (Connection, Connection) {
    let (here, there) = mux::pair();
    (Connection::builder().limits(Limits::default()).open(here), builder.accept(there))
}

#[tokio::test]
async fn an_older_client_omits_what_it_does_not_know() {
    let (asking, _answering) = over(Connection::builder().service(new::StoreServer::new(New)));
    let client: old::StoreClient = asking.client();
    assert_eq!(client.add("abc", 4).await.unwrap(), 7);
    assert_eq!(client.many(1, 2, 3).await.unwrap(), 1);
    // The reply lacks a field that the older type needs: that call fails, by name.
    let error = client.row(OldRow { sku: "x".into(), gone: 1 }).await.unwrap_err();
    assert!(error.to_string().contains("missing field `gone`"), "{error}");
}

#[tokio::test]
async fn a_newer_client_is_understood_by_an_older_server() {
    let (asking, _answering) = over(Connection::builder().service(old::StoreServer::new(Old)));
    let client: new::StoreClient = asking.client();
    let units = client.add("abc", 4, Some("note".into()), 9, Some("label")).await;
    assert_eq!(units.unwrap(), 7);
    let Err(Error::Call(call)) = client.many(1).await else { panic!("a missing argument was made up") };
    assert!(call.did_not_run());
    assert_eq!(call.to_string(), "refused: argument `b` is missing");
}
