//! Where long binary is decoded: as one value it stays on the runtime's thread, and element by element it leaves it.

use mux::{Connection, Stream};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, thread};

/// So much that its elements take long.
const MUCH: usize = 300 << 10;

/// Travels as binary. Its decoder tells the thread.
#[derive(Clone, Debug)]
struct Binary<const BY_ELEMENT: bool> {
    len: usize,
    read_on: String,
}

type Numbers = Binary<true>;
type Blob = Binary<false>;

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Either {
    Numbers(Numbers),
    Blob(Blob),
}

fn binary<const BY_ELEMENT: bool>(len: usize) -> Binary<BY_ELEMENT> {
    Binary { len, read_on: String::new() }
}

fn here() -> String {
    thread::current().name().unwrap_or("none").to_owned()
}

impl<const BY_ELEMENT: bool> Serialize for Binary<BY_ELEMENT> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&vec![7; self.len])
    }
}

impl<'de, const BY_ELEMENT: bool> Deserialize<'de> for Binary<BY_ELEMENT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let len = match BY_ELEMENT {
            true => deserializer.deserialize_seq(Length)?,
            false => deserializer.deserialize_bytes(Length)?,
        };
        Ok(Binary { len, read_on: here() })
    }
}

struct Length;

impl<'de> Visitor<'de> for Length {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("binary")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<usize, E> {
        Ok(bytes.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<usize, A::Error> {
        let mut len = 0;
        while numbers.next_element::<u32>()?.is_some() {
            len += 1;
        }
        Ok(len)
    }
}

/// Each method tells where its argument was read.
#[mux::service]
trait Binaries {
    async fn numbers(&self, numbers: Numbers) -> String;
    async fn blob(&self, blob: Blob) -> String;
    async fn either(&self, either: Either) -> String;
    async fn get_numbers(&self) -> Numbers;
    async fn get_blob(&self) -> Blob;
    async fn pour_numbers(&self) -> impl Stream<Item = Numbers>;
    async fn pour_blobs(&self) -> impl Stream<Item = Blob>;
}

struct Store;

impl Binaries for Store {
    async fn numbers(&self, numbers: Numbers) -> String {
        numbers.read_on
    }
    async fn blob(&self, blob: Blob) -> String {
        blob.read_on
    }
    async fn either(&self, either: Either) -> String {
        match either {
            Either::Numbers(numbers) => numbers.read_on,
            Either::Blob(blob) => blob.read_on,
        }
    }
    async fn get_numbers(&self) -> Numbers {
        binary(MUCH)
    }
    async fn get_blob(&self) -> Blob {
        binary(MUCH)
    }
    async fn pour_numbers(&self) -> impl Stream<Item = Numbers> {
        tokio_stream::iter([binary(MUCH), binary(MUCH)])
    }
    async fn pour_blobs(&self) -> impl Stream<Item = Blob> {
        tokio_stream::iter([binary(MUCH), binary(MUCH)])
    }
}

fn reach() -> (BinariesClient, Connection) {
    let (here, there) = mux::pair();
    let serving = Connection::builder().service(BinariesServer::new(Store)).accept(there);
    (Connection::builder().open(here).client(), serving)
}

const ELSEWHERE: &str = "mux-decoder";

#[tokio::test]
async fn binary_that_is_read_element_by_element_leaves_the_runtimes_thread_from_the_first_time_on() {
    let (client, _serving) = reach();
    for _ in 0..2 {
        assert_eq!(client.numbers(binary(MUCH)).await.unwrap(), ELSEWHERE);
        assert_eq!(client.get_numbers().await.unwrap().read_on, ELSEWHERE);
    }
    let mut numbers = client.pour_numbers().await.unwrap();
    while let Some(numbers) = numbers.recv().await.unwrap() {
        assert_eq!((numbers.read_on.as_str(), numbers.len), (ELSEWHERE, MUCH));
    }
    assert_eq!(client.numbers(binary(MUCH / 2)).await.unwrap(), here());
}

#[tokio::test]
async fn binary_that_is_read_as_one_stays_on_the_runtimes_thread_once_that_is_known() {
    let (client, _serving) = reach();
    client.blob(binary(MUCH)).await.unwrap();
    client.get_blob().await.unwrap();
    for _ in 0..2 {
        assert_eq!(client.blob(binary(3 << 20)).await.unwrap(), here());
        assert_eq!(client.get_blob().await.unwrap().read_on, here());
    }
    let mut blobs = client.pour_blobs().await.unwrap();
    blobs.recv().await.unwrap();
    assert_eq!(blobs.recv().await.unwrap().unwrap().read_on, here());
}

#[tokio::test]
async fn a_peer_holds_up_the_runtime_once_where_a_method_reads_binary_in_both_ways() {
    let (client, _serving) = reach();
    client.either(Either::Blob(binary(MUCH))).await.unwrap();
    assert_eq!(client.either(Either::Blob(binary(MUCH))).await.unwrap(), here());
    assert_eq!(client.either(Either::Numbers(binary(MUCH))).await.unwrap(), here());
    for _ in 0..2 {
        assert_eq!(client.either(Either::Numbers(binary(MUCH))).await.unwrap(), ELSEWHERE);
    }
    // What it costs: a hand-over for each.
    assert_eq!(client.either(Either::Blob(binary(MUCH))).await.unwrap(), ELSEWHERE);
}
