//! Ends that were built from different versions of one trait.

use crate::script::{ACCEPTING, CONNECTING, Pack, Script, hello, meta, request_with};
use mux::{Connection, Error, Service, Stream};
use serde::{Deserialize, Serialize};
use std::fmt::{Debug, Display};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

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
        async fn same(&self, a: u32, b: u32) -> String;
        async fn swapped(&self, a: u32, b: u32) -> String;
        async fn renamed(&self, a: u32) -> u32;
        async fn inserted(&self, a: u32) -> u32;
        async fn kept(&self, a: u32) -> u32;
        async fn moved(&self, a: u32) -> u32;
    }
}

mod new {
    use super::{NewRow, Stream};

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
        async fn same(&self, a: u32, b: u32) -> String;
        async fn swapped(&self, b: u32, a: u32) -> String;
        async fn renamed(&self, n: u32) -> u32;
        async fn inserted(&self, first: Option<u32>, a: u32) -> u32;
        async fn kept(&self, #[mux(name = "a")] n: u32) -> u32;
        async fn brand_new(&self) -> u32;
        async fn numbers(&self) -> impl Stream<Item = u32>;
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

    async fn same(&self, a: u32, b: u32) -> String {
        format!("a {a} b {b}")
    }

    async fn swapped(&self, b: u32, a: u32) -> String {
        format!("a {a} b {b}")
    }

    async fn renamed(&self, n: u32) -> u32 {
        n
    }

    async fn inserted(&self, _: Option<u32>, a: u32) -> u32 {
        a
    }

    async fn kept(&self, n: u32) -> u32 {
        n
    }

    async fn brand_new(&self) -> u32 {
        1
    }

    async fn numbers(&self) -> impl Stream<Item = u32> {
        tokio_stream::iter([1, 2])
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

    async fn same(&self, a: u32, b: u32) -> String {
        format!("a {a} b {b}")
    }

    async fn swapped(&self, a: u32, b: u32) -> String {
        format!("a {a} b {b}")
    }

    async fn renamed(&self, a: u32) -> u32 {
        a
    }

    async fn inserted(&self, a: u32) -> u32 {
        a
    }

    async fn kept(&self, a: u32) -> u32 {
        a
    }

    async fn moved(&self, a: u32) -> u32 {
        a
    }
}

/// Its value, or its error, of which those did not run that are refused.
fn outcome<T: Debug, E: Display>(result: Result<T, Error<E>>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => {
            let text = error.to_string();
            assert_eq!(error.did_not_run(), text.starts_with("refused: "), "{text}");
            text
        }
    }
}

/// What each call comes to, beside what it is to come to.
macro_rules! table {
    ($($call:expr => $expected:literal;)*) => {{
        $(assert_eq!(outcome($call.await), $expected, "{}", stringify!($call));)*
    }};
}

/// A connection whose asking end has seen the other's hello, or not yet.
async fn over(service: impl Service, greeted: bool) -> (Connection, Connection) {
    let (here, there) = mux::pair();
    let asking = Connection::builder().open(here);
    let answering = Connection::builder().service(service).accept(there);
    if greeted {
        crate::demo::until(|| !asking.peer_services().is_empty()).await;
    }
    (asking, answering)
}

#[tokio::test]
async fn what_an_older_client_calls_of_a_newer_server_is_right_or_refused() {
    for greeted in [false, true] {
        let (asking, _answering) = over(new::StoreServer::new(New), greeted).await;
        let client: old::StoreClient = asking.client();
        table! {
            client.same(1, 2) => r#""a 1 b 2""#;
            client.swapped(1, 2) => "refused: store.swapped takes (b, a), the call has (a, b)";
            client.renamed(1) => "refused: store.renamed takes (n), the call has (a)";
            client.kept(1) => "1";
            client.inserted(1) => "refused: store.inserted takes (first, a), the call has (a)";
            client.moved(1) => "refused: unknown method `store.moved`: the services here have none of that name (served here: store)";
            // It omits what it does not know, and what it has too much is skipped.
            client.add("abc", 4) => "7";
            client.many(1, 2, 3) => "1";
        }
        // The reply lacks a field that the older type needs: that call fails, by name.
        let error = client.row(OldRow { sku: "x".into(), gone: 1 }).await.unwrap_err();
        assert!(error.to_string().contains("missing field `gone`"), "{error}");
    }
}

#[tokio::test]
async fn what_a_newer_client_calls_of_an_older_server_is_right_or_refused() {
    for greeted in [false, true] {
        let (asking, _answering) = over(old::StoreServer::new(Old), greeted).await;
        let client: new::StoreClient = asking.client();
        table! {
            client.same(1, 2) => r#""a 1 b 2""#;
            client.swapped(2, 1) => "refused: store.swapped takes (a, b), the call has (b, a)";
            client.renamed(1) => "refused: store.renamed takes (a), the call has (n)";
            client.kept(1) => "1";
            client.inserted(None, 1) => "refused: store.inserted takes (a), the call has (first, a)";
            client.brand_new() => "refused: unknown method `store.brand_new`: the services here have none of that name (served here: store)";
            client.add("abc", 4, Some("note".into()), 9, Some("label")) => "7";
            // Nothing is made up for what is missing.
            client.many(1) => "refused: argument `b` of `store.many` is missing";
        }
    }
}

type Amount = u32;

/// As [`Written`], in other words.
mod rewritten {
    use super::Amount;

    #[mux::service(name = "written")]
    pub(crate) trait Written {
        async fn second(&self) -> String;
        #[mux(name = "first")]
        async fn one(&self, n: Amount, #[mux(context)] cx: &mux::Context) -> Result<Amount, super::OldRow>;
    }
}

#[mux::service]
trait Written {
    async fn first(&self, n: u32) -> u32;
    async fn second(&self) -> String;
}

struct Here;

impl Written for Here {
    async fn first(&self, n: u32) -> u32 {
        n
    }

    async fn second(&self) -> String {
        String::new()
    }
}

impl rewritten::Written for Here {
    async fn second(&self) -> String {
        String::new()
    }

    async fn one(&self, n: Amount, _: &mux::Context) -> Result<Amount, OldRow> {
        Ok(n)
    }
}

#[test]
fn fingerprints_tell_shapes_and_not_how_types_are_written() {
    let fingerprint = WrittenServer::new(Here).descriptor().fingerprint();
    assert_eq!(rewritten::WrittenServer::new(Here).descriptor().fingerprint(), fingerprint);
    let store = old::StoreServer::new(Old).descriptor().fingerprint();
    assert_ne!(new::StoreServer::new(New).descriptor().fingerprint(), store);
}

async fn frame(stream: &mut DuplexStream) -> Vec<u8> {
    let mut frame = vec![0; 4];
    stream.read_exact(&mut frame).await.unwrap();
    let rest = u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize;
    frame.resize(4 + rest, 0);
    stream.read_exact(&mut frame[4..]).await.unwrap();
    frame
}

fn hello_of(fingerprint: u64) -> Vec<u8> {
    let services = Pack::new().map(1).str("written").bin(&fingerprint.to_be_bytes());
    let settings = Pack::new().map(1).str("services").raw(services.bytes());
    let head = hello(1, ACCEPTING, &[]);
    // All but the empty map at its end.
    let head = &head.bytes()[..head.bytes().len() - 1];
    Pack::new().raw(head).raw(settings.bytes()).framed()
}

#[tokio::test]
async fn names_of_arguments_travel_until_the_peer_is_known_to_have_the_same() {
    let known = WrittenServer::new(Here).descriptor().fingerprint();
    let names = meta("args", &Pack::new().array(1).str("n"));
    let (nil, args) = (Pack::new().nil(), Pack::new().array(1).uint(7));
    for (fingerprint, told) in [(known, &nil), (known ^ 1, &names)] {
        let (here, mut there) = mux::pair();
        let asking = Connection::builder().open(here);
        let client: WrittenClient = asking.client();
        let early = client.first(7).start();
        frame(&mut there).await;
        assert_eq!(frame(&mut there).await, request_with(1, "written.first", &names, &args).framed());
        there.write_all(&hello_of(fingerprint)).await.unwrap();
        crate::demo::until(|| !asking.peer_services().is_empty()).await;
        let later = client.first(7).start();
        assert_eq!(frame(&mut there).await, request_with(3, "written.first", told, &args).framed());
        drop((early, later));
    }
}

#[tokio::test]
async fn names_that_are_no_list_or_too_many_refuse_one_call() {
    let (here, there) = mux::pair();
    let _answering = Connection::builder().service(WrittenServer::new(Here)).accept(there);
    let mut peer = Script::new(here, CONNECTING);
    peer.send_hello().await;
    peer.expect_hello().await;
    let args = Pack::new().array(1).uint(7);
    let refused = [
        (Pack::new().str("n"), "meta `args` is no list of names"),
        (Pack::new().nil(), "meta `args` is no list of names"),
        (Pack::new().array(1).uint(1), "meta `args` is no list of names"),
        (Pack::new().array(2).str("m").str("n"), "written.first takes (n), the call has (m, n)"),
    ];
    for (xid, (names, text)) in (1..).step_by(2).zip(refused) {
        peer.send_frame(&request_with(xid, "written.first", &meta("args", &names), &args)).await;
        assert_eq!(peer.expect_fault(xid, 2).await, text);
    }
    // None at all, and one more than there are.
    for (xid, names) in [(9, Pack::new().array(0)), (11, Pack::new().array(2).str("n").str("m"))] {
        peer.send_frame(&request_with(xid, "written.first", &meta("args", &names), &args)).await;
        assert_eq!(peer.expect_reply(xid).await, [7]);
    }
}
