//! What a user sends is what the other end gets, whatever serde makes of its type; else the call fails, and says why.

use mux::{ChannelError, Connection, Error, Receiver, Stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{Debug, Display};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU8;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

trait Value: Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static {}

impl<V: Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static> Value for V {}

/// A value as the field of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held<V> {
    before: u8,
    value: V,
    after: u8,
}

struct Echoing;

/// What a service has that is asked for it.
#[derive(Clone)]
struct Keeper<V>(V);

impl<V: Value> Keeper<V> {
    fn held(&self) -> Held<V> {
        Held { before: 1, value: self.0.clone(), after: 2 }
    }
}

/// Whether it came as it was sent, or why not.
type Told = Result<bool, String>;

fn told<T: PartialEq>(arrived: Result<T, impl Display>, sent: &T) -> Told {
    arrived.map(|arrived| arrived == *sent).map_err(|error| error.to_string())
}

/// A service that gets a value and gives it back, and one where it has all the places that there are. Few types go
/// through the latter, as it is compiled for each.
macro_rules! services {
    ($module:ident, $encoding:tt) => {
        mod $module {
            use super::*;

            #[mux::service(name = "echo", encoding = $encoding)]
            pub(crate) trait Echo<V> {
                async fn echo(&self, value: V) -> Held<V>;
            }

            impl<V: Value> Echo<V> for Echoing {
                async fn echo(&self, value: V) -> Held<V> {
                    Held { before: 1, value, after: 2 }
                }
            }

            async fn echoed<V: Value>(client: &EchoClient<V>, value: &V) -> Told {
                let held = Held { before: 1, value: value.clone(), after: 2 };
                told(client.echo(value.clone()).await, &held)
            }

            /// What becomes of it over a connection.
            pub(super) async fn remote<V: Value>(value: &V) -> Told {
                let (here, there) = mux::pair();
                let _answering =
                    Connection::builder().service(EchoServer::<_, V>::new(Echoing)).accept(there);
                echoed(&Connection::builder().open(here).client(), value).await
            }

            /// What becomes of it in this process.
            pub(super) async fn local<V: Value>(value: &V) -> Told {
                echoed(&EchoClient::local(Echoing), value).await
            }

            #[mux::service(name = "keep", encoding = $encoding)]
            pub(crate) trait Keep<V: Clone> {
                async fn argument(&self, value: V) -> bool;
                async fn reference(&self, value: &V) -> bool;
                async fn field(&self, held: Held<V>) -> bool;
                async fn result(&self) -> V;
                async fn option(&self) -> Option<V>;
                async fn list(&self) -> Vec<V>;
                async fn held(&self) -> Held<V>;
                async fn error(&self) -> Result<(), V>;
                async fn items(&self) -> impl Stream<Item = V>;
                async fn take(&self, values: Receiver<V>) -> Result<bool, String>;
            }

            impl<V: Value> Keep<V> for Keeper<V> {
                async fn argument(&self, value: V) -> bool {
                    value == self.0
                }

                async fn reference(&self, value: &V) -> bool {
                    *value == self.0
                }

                async fn field(&self, held: Held<V>) -> bool {
                    held == Keeper::held(self)
                }

                async fn result(&self) -> V {
                    self.0.clone()
                }

                async fn option(&self) -> Option<V> {
                    Some(self.0.clone())
                }

                async fn list(&self) -> Vec<V> {
                    vec![self.0.clone(); 2]
                }

                async fn held(&self) -> Held<V> {
                    Keeper::held(self)
                }

                async fn error(&self) -> Result<(), V> {
                    Err(self.0.clone())
                }

                async fn items(&self) -> impl Stream<Item = V> {
                    tokio_stream::iter([self.0.clone(), self.0.clone()])
                }

                async fn take(&self, mut values: Receiver<V>) -> Result<bool, String> {
                    let value = values.recv().await.map_err(|error| error.to_string())?;
                    Ok(value.as_ref() == Some(&self.0))
                }
            }

            async fn asked<V: Value>(client: &KeepClient<V>, value: &V) -> Vec<(&'static str, Told)> {
                let keeper = Keeper(value.clone());
                let items = match client.items().await {
                    Ok(items) => all(items).await,
                    Err(error) => Err(error.to_string()),
                };
                let (mut sender, receiver) = mux::channel();
                let taken = async {
                    // The receiver's end tells what becomes of it.
                    let _ = sender.send(value.clone()).await;
                };
                let (taken, ()) = tokio::join!(client.take(receiver), taken);
                vec![
                    ("argument", told(client.argument(value.clone()).await, &true)),
                    ("reference", told(client.reference(value).await, &true)),
                    ("field", told(client.field(keeper.held()).await, &true)),
                    ("result", told(client.result().await, value)),
                    ("option", told(client.option().await, &Some(value.clone()))),
                    ("list", told(client.list().await, &vec![value.clone(); 2])),
                    ("held", told(client.held().await, &keeper.held())),
                    ("error", error(client.error().await, value)),
                    ("items", told(items, &vec![value.clone(); 2])),
                    ("taken", told(taken.map_err(unquoted), &true)),
                ]
            }

            /// What becomes of it in each place, over a connection.
            pub(super) async fn everywhere<V: Value>(value: &V) -> Vec<(&'static str, Told)> {
                let (here, there) = mux::pair();
                let server = KeepServer::new(Keeper(value.clone()));
                let _answering = Connection::builder().service(server).accept(there);
                asked(&Connection::builder().open(here).client(), value).await
            }

            /// What becomes of it in each place, in this process.
            pub(super) async fn everywhere_here<V: Value>(value: &V) -> Vec<(&'static str, Told)> {
                asked(&KeepClient::local(Keeper(value.clone())), value).await
            }
        }
    };
}

services!(named, "named");
services!(compact, "compact");

async fn all<V>(mut items: Receiver<V>) -> Result<Vec<V>, String> {
    let mut all = Vec::new();
    while let Some(item) = items.recv().await.map_err(|error: ChannelError| error.to_string())? {
        all.push(item);
    }
    Ok(all)
}

fn error<V: PartialEq>(result: Result<(), Error<V>>, sent: &V) -> Told {
    match result {
        Ok(()) => Ok(false),
        Err(Error::App(error)) => Ok(error == *sent),
        Err(Error::Call(error)) => Err(error.to_string()),
        Err(Error::Remote(error)) => Err(error.to_string()),
    }
}

fn unquoted(error: Error<String>) -> String {
    match error {
        Error::App(text) => text,
        error => error.to_string(),
    }
}

#[track_caller]
fn refused(told: Told, value: &impl Debug, how: &str, why: &str) {
    let error = told.expect_err(&format!("{value:?}, {how}"));
    assert!(error.contains(why), "{value:?}, {how}: {error}");
}

/// It comes as it was sent.
async fn arrives<V: Value>(values: impl IntoIterator<Item = V>) {
    for value in values {
        assert_eq!(named::local(&value).await, Ok(true), "{value:?}, local");
        assert_eq!(named::remote(&value).await, Ok(true), "{value:?}, named");
        assert_eq!(compact::remote(&value).await, Ok(true), "{value:?}, compact");
    }
}

/// It does so by names, and else the text says that it needs them.
async fn needs_names<V: Value>(values: impl IntoIterator<Item = V>) {
    for value in values {
        assert_eq!(compact::local(&value).await, Ok(true), "{value:?}, local");
        assert_eq!(named::remote(&value).await, Ok(true), "{value:?}, named");
        refused(compact::remote(&value).await, &value, "compact", "`encoding = \"named\"`");
    }
}

/// It never does, and the text says why.
async fn is_refused<V: Value>(values: impl IntoIterator<Item = V>, why: &str) {
    for value in values {
        refused(named::remote(&value).await, &value, "named", why);
        refused(compact::remote(&value).await, &value, "compact", why);
    }
}

#[tokio::test]
async fn a_value_arrives_in_all_places_of_a_service_or_is_refused_in_all() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Skipping {
        #[serde(default, skip_serializing_if = "is_zero")]
        a: u8,
        b: Option<Option<()>>,
        wide: u128,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Point { x: u8 },
        Other { y: u8 },
    }

    for value in [
        Skipping { a: 0, b: Some(None), wide: 1 },
        Skipping { a: 1, b: Some(Some(())), wide: u128::MAX },
        Skipping { a: 0, b: None, wide: 0 },
    ] {
        let places = [named::everywhere(&value).await, compact::everywhere(&value).await];
        for (place, told) in places.concat().into_iter().chain(named::everywhere_here(&value).await) {
            assert_eq!(told, Ok(true), "{value:?} as {place}");
        }
    }
    let value = Untagged::Other { y: 1 };
    for (place, told) in
        named::everywhere(&value).await.into_iter().chain(compact::everywhere_here(&value).await)
    {
        assert_eq!(told, Ok(true), "{value:?} as {place}");
    }
    for (place, told) in compact::everywhere(&value).await {
        refused(told, &value, place, "`encoding = \"named\"`");
    }
    for value in [None, Some(None), Some(Some(()))] {
        let places = [named::everywhere(&value).await, compact::everywhere(&value).await];
        for (place, told) in places.concat() {
            assert_eq!(told, Ok(true), "{value:?} as {place}");
        }
    }
}

/// With the derives that all of them have.
macro_rules! kinds {
    ($($(#[$meta:meta])* $kind:ident $name:ident $(<$param:ident>)? {$($body:tt)*})*) => {$(
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        $(#[$meta])*
        $kind $name $(<$param>)? {$($body)*}
    )*};
}

#[tokio::test]
async fn values_of_the_standard_library_arrive() {
    arrives([(true, u8::MAX, i8::MIN, u16::MAX, i16::MIN, u32::MAX, i32::MIN, u64::MAX, i64::MIN, 'ß')])
        .await;
    arrives([(u128::MAX, i128::MIN, 1_u128, -1_i128)]).await;
    arrives([(f32::MIN_POSITIVE, f64::MAX, f32::INFINITY, -0.0_f64)]).await;
    arrives([("".to_owned(), "text".repeat(20_000), Box::<str>::from("boxed"))]).await;
    arrives([vec![], vec![1_u8, 2, 255], vec![7; 70_000]]).await;
    arrives([[(1_u8, -1_i8), (2, -2)]]).await;
    arrives([(), ()]).await;
    arrives([(
        BTreeMap::from([(1_u32, "a".to_owned())]),
        HashMap::from([(IpAddr::from([1, 2, 3, 4]), 1_u8)]),
    )])
    .await;
    arrives([BTreeSet::from(["a".to_owned(), "b".to_owned()])]).await;
    arrives([(IpAddr::from(Ipv6Addr::LOCALHOST), SocketAddr::from(([10, 0, 0, 1], 80)))]).await;
    arrives([(Duration::from_millis(1500), UNIX_EPOCH + Duration::from_secs(7), NonZeroU8::MIN)]).await;
    arrives([(PathBuf::from("/tmp/x"), 1_u8..5, RangeInclusive::new(1_u64, 9), std::cmp::Reverse(1_u8))])
        .await;
    arrives([Ok(1_u8), Err("text".to_owned())]).await;
    arrives([(Box::new(1_u8), std::borrow::Cow::<'static, str>::Borrowed("cow"))]).await;
    arrives([mux::Bytes::from_static(b"bytes"), mux::Bytes::from(vec![7; 70_000])]).await;
}

#[tokio::test]
async fn some_around_nothing_arrives() {
    type Alias = Option<u8>;
    kinds! {
        struct Nothing {}
        struct Optional { a: Option<Alias>, b: Option<()>, c: Option<Nothing> }
    }
    arrives([None, Some(None), Some(Some(7_u8))]).await;
    arrives([None, Some(())]).await;
    arrives([Some(Some(Some(None))), Some(Some(None)), Some(None), None, Some(Some(Some(Some(1_u8))))]).await;
    arrives([None, Some(serde_json::Value::Null), Some(serde_json::json!([null]))]).await;
    for a in [None, Some(None), Some(Some(1))] {
        arrives([Optional { a, b: a.map(drop), c: a.map(|_| Nothing {}) }]).await;
    }
    arrives([Box::new(Some(None)), Box::new(Some(Some(()))), Box::new(None)]).await;
}

#[mux::service]
pub(crate) trait Options {
    async fn find(&self, key: Option<Option<u8>>) -> Result<Option<Option<u8>>, Option<()>>;
    async fn units(&self) -> impl Stream<Item = Option<()>>;
}

impl Options for Echoing {
    async fn find(&self, key: Option<Option<u8>>) -> Result<Option<Option<u8>>, Option<()>> {
        if key == Some(Some(0)) { Err(Some(())) } else { Ok(key) }
    }

    async fn units(&self) -> impl Stream<Item = Option<()>> {
        tokio_stream::iter([Some(()), None])
    }
}

#[tokio::test]
async fn options_of_options_and_of_units_may_be_written_in_a_service() {
    let (here, there) = mux::pair();
    let _answering = Connection::builder().service(OptionsServer::new(Echoing)).accept(there);
    let client: OptionsClient = Connection::builder().open(here).client();
    for key in [None, Some(None), Some(Some(7))] {
        assert_eq!(client.find(key).await.unwrap(), key);
    }
    assert!(matches!(client.find(Some(Some(0))).await, Err(Error::App(Some(())))));
    assert_eq!(all(client.units().await.unwrap()).await.unwrap(), [Some(()), None]);
}

fn is_zero(number: &u8) -> bool {
    *number == 0
}

#[tokio::test]
async fn structs_with_any_of_serdes_attributes_arrive() {
    kinds! {
        #[serde(rename = "Other", rename_all = "camelCase", deny_unknown_fields)]
        struct Renamed {
            first_field: u8,
            #[serde(rename = "with space", alias = "old")]
            second_field: u8,
        }
        #[serde(default)]
        struct Defaulted {
            #[serde(skip_serializing_if = "is_zero", alias = "x")]
            a: u8,
            #[serde(skip_serializing_if = "String::is_empty")]
            b: String,
            c: u8,
            #[serde(skip)]
            never: u8,
            d: Option<u8>,
        }
        struct Skipping {
            #[serde(skip_serializing_if = "Option::is_none")]
            a: Option<u8>,
            b: u8,
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            c: Vec<Defaulted>,
            #[serde(default, skip_serializing_if = "Option::is_none", with = "doubled")]
            d: Option<Option<u8>>,
            e: (u8, u8),
        }
        #[serde(transparent)]
        struct Transparent { inner: Option<u8> }
        struct Generic<T> { #[serde(bound(deserialize = "T: Deserialize<'de>"))] inner: T }
        struct Seconds { #[serde(serialize_with = "in_seconds", deserialize_with = "from_seconds")] time: Duration }
        struct Remote { #[serde(with = "FarAway")] far: Far }
        #[serde(from = "u16", into = "u16")]
        struct Into16 { low: u8, high: u8 }
        #[serde(try_from = "String", into = "String")]
        struct Text { length: usize }
        struct Empty {}
    }
    impl Default for Defaulted {
        fn default() -> Defaulted {
            Defaulted { a: 0, b: String::new(), c: 9, never: 0, d: None }
        }
    }
    #[derive(Clone, Debug, PartialEq)]
    struct Far {
        a: u8,
        b: u8,
    }
    #[derive(Serialize, Deserialize)]
    #[serde(remote = "Far")]
    struct FarAway {
        a: u8,
        b: u8,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct UnitStruct;
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Newtype(Option<u8>);
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Tuple(u8, Option<u8>, #[serde(skip)] u8, String);

    arrives([Renamed { first_field: 1, second_field: 2 }]).await;
    let short = Defaulted::default();
    let full = Defaulted { a: 1, b: "b".into(), c: 2, never: 0, d: Some(3) };
    arrives([
        short.clone(),
        full.clone(),
        Defaulted { a: 1, ..short.clone() },
        Defaulted { a: 0, ..full.clone() },
    ])
    .await;
    for a in [None, Some(1)] {
        for d in [None, Some(None), Some(Some(1))] {
            arrives([
                Skipping { a, b: 2, c: vec![], d, e: (3, 4) },
                Skipping { a, b: 2, c: vec![short.clone(), full.clone()], d, e: (3, 4) },
            ])
            .await;
        }
    }
    arrives([Transparent { inner: None }, Transparent { inner: Some(1) }]).await;
    arrives([Generic { inner: vec![1_u8] }]).await;
    arrives([Seconds { time: Duration::from_secs(7) }]).await;
    arrives([Remote { far: Far { a: 1, b: 2 } }]).await;
    arrives([Into16 { low: 1, high: 2 }]).await;
    arrives([Text { length: 5 }]).await;
    arrives([(Empty {}, UnitStruct, Newtype(None), Newtype(Some(1)), Tuple(1, None, 0, "x".into()))]).await;

    impl From<u16> for Into16 {
        fn from(number: u16) -> Into16 {
            let [high, low] = number.to_be_bytes();
            Into16 { low, high }
        }
    }
    impl From<Into16> for u16 {
        fn from(Into16 { low, high }: Into16) -> u16 {
            u16::from_be_bytes([high, low])
        }
    }
    impl TryFrom<String> for Text {
        type Error = String;

        fn try_from(text: String) -> Result<Text, String> {
            Ok(Text { length: text.len() })
        }
    }
    impl From<Text> for String {
        fn from(text: Text) -> String {
            "x".repeat(text.length)
        }
    }
}

/// As it is often written to tell a field left out from one that is nil.
mod doubled {
    use super::*;

    pub(super) fn serialize<S: Serializer>(value: &Option<Option<u8>>, to: S) -> Result<S::Ok, S::Error> {
        value.unwrap_or_default().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<u8>>, D::Error> {
        Option::deserialize(from).map(Some)
    }
}

fn in_seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(time.as_secs())
}

fn from_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_secs)
}

#[tokio::test]
async fn enums_with_any_of_serdes_attributes_arrive() {
    kinds! {
        struct Point { x: i32, #[serde(default, skip_serializing_if = "Option::is_none")] y: Option<i32>, ip: IpAddr }
        #[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
        enum External {
            UnitVariant,
            New(Option<Point>),
            #[serde(rename = "T", alias = "Old")]
            Tuple(u8, Point),
            Struct { #[serde(default, skip_serializing_if = "is_zero")] first_field: u8, second_field: Point },
        }
        #[serde(tag = "type")]
        enum Internal {
            Unit,
            New(Point),
            Map(BTreeMap<String, Point>),
            Struct { #[serde(default, skip_serializing_if = "is_zero")] a: u8, b: Point, c: Option<u8> },
            Nested(Box<External2>),
        }
        #[serde(tag = "kind")]
        enum External2 { A { points: Vec<Point> }, B }
        #[serde(tag = "t", content = "c")]
        enum Adjacent {
            Unit,
            New(Point),
            Nothing(Option<u8>),
            Tuple(u8, Point),
            Struct { #[serde(default, skip_serializing_if = "is_zero")] a: u8, b: Point },
        }
        enum Mixed {
            A(u8),
            #[serde(untagged)]
            Any(Vec<String>),
        }
    }
    for y in [None, Some(2)] {
        let point = Point { x: 1, y, ip: IpAddr::from([1, 2, 3, 4]) };
        for a in [0, 1] {
            arrives([
                External::UnitVariant,
                External::New(None),
                External::New(Some(point.clone())),
                External::Tuple(a, point.clone()),
                External::Struct { first_field: a, second_field: point.clone() },
            ])
            .await;
            arrives([
                Internal::Unit,
                Internal::New(point.clone()),
                Internal::Map([("a".to_owned(), point.clone())].into()),
                Internal::Struct { a, b: point.clone(), c: y.map(|_| 1) },
                Internal::Nested(Box::new(External2::A { points: vec![point.clone(); 2] })),
                Internal::Nested(Box::new(External2::B)),
            ])
            .await;
            arrives([
                Adjacent::Unit,
                Adjacent::New(point.clone()),
                Adjacent::Nothing(None),
                Adjacent::Nothing(Some(1)),
                Adjacent::Tuple(a, point.clone()),
                Adjacent::Struct { a, b: point.clone() },
            ])
            .await;
        }
    }
    arrives([Mixed::A(1), Mixed::Any(vec!["x".into()])]).await;
}

#[tokio::test]
async fn what_is_flattened_arrives() {
    kinds! {
        struct Place { ip: IpAddr, points: Vec<Point>, note: Option<Option<u8>> }
        struct Point { x: u8, #[serde(default, skip_serializing_if = "is_zero")] y: u8 }
        struct Outer {
            id: u8,
            #[serde(flatten)]
            place: Place,
            own: IpAddr,
            #[serde(flatten)]
            more: Option<More>,
            #[serde(flatten)]
            rest: BTreeMap<String, Point>,
        }
        struct More { extra: Point }
        struct Tagged { #[serde(flatten)] kind: Kind, name: String }
        #[serde(tag = "kind")]
        enum Kind { A { at: IpAddr }, B }
    }
    let ip = IpAddr::from([1, 2, 3, 4]);
    let points = vec![Point { x: 1, y: 0 }, Point { x: 1, y: 2 }];
    for note in [None, Some(None), Some(Some(1))] {
        let place = Place { ip, points: points.clone(), note };
        let more = note.map(|_| More { extra: Point { x: 5, y: 6 } });
        let rest = (0..20).map(|key| (format!("key {key}"), Point { x: key, y: key })).collect();
        arrives([Outer { id: 1, place, own: ip, more, rest }]).await;
    }
    arrives([
        Tagged { kind: Kind::A { at: ip }, name: "a".into() },
        Tagged { kind: Kind::B, name: "b".into() },
    ])
    .await;
}

#[tokio::test]
async fn what_is_untagged_arrives_or_asks_for_names() {
    kinds! {
        #[serde(untagged)]
        enum Scalar { Flag(bool), Number(u64), Signed(i64), Text(String), List(Vec<u64>), Map(BTreeMap<String, u64>), Nothing }
        #[serde(untagged)]
        enum Structs { Point { x: u8, y: u8 }, Other { p: u8, q: u8 } }
        #[serde(untagged)]
        enum When { At(SystemTime), After(Duration) }
        #[serde(untagged)]
        enum Address { V(IpAddr), Name(String) }
    }
    arrives([
        Scalar::Flag(true),
        Scalar::Number(1),
        Scalar::Signed(-1),
        Scalar::Text("text".into()),
        Scalar::List(vec![1, 2]),
        Scalar::Map([("a".to_owned(), 1)].into()),
        Scalar::Nothing,
    ])
    .await;
    needs_names([Structs::Point { x: 1, y: 2 }, Structs::Other { p: 1, q: 2 }]).await;
    needs_names([When::At(UNIX_EPOCH), When::After(Duration::from_secs(1))]).await;
    arrives([Address::Name("name".into())]).await;
    needs_names([Address::V(IpAddr::from([1, 2, 3, 4]))]).await;
}

#[tokio::test]
async fn integers_of_128_bits_that_serde_would_buffer_are_refused() {
    kinds! {
        #[serde(untagged)]
        enum Id { Wide(u128), Small(u64), Name(String), Bytes(Vec<u8>) }
        #[serde(tag = "type")]
        enum Event { Paid { wei: i128 } }
        struct Flat { #[serde(flatten)] inner: Inner }
        struct Inner { wide: u128 }
    }
    let why = "found a 128-bit integer, which serde cannot hold where it buffers";
    is_refused([Id::Wide(1), Id::Wide(u128::MAX)], why).await;
    is_refused([Event::Paid { wei: -1 }], why).await;
    is_refused([Flat { inner: Inner { wide: 1 } }], why).await;
    arrives([Id::Small(1), Id::Name("\0\u{1}".into()), Id::Bytes(vec![1; 16])]).await;
}

#[tokio::test]
async fn what_one_end_leaves_out_and_the_other_awaits_asks_for_names() {
    kinds! {
        struct NotSent { a: u8, #[serde(skip_serializing, default)] b: u8, #[serde(default)] c: u8 }
        struct NotTaken { a: u8, #[serde(skip_deserializing)] b: u8, c: u8 }
    }
    needs_names([NotSent { a: 1, b: 0, c: 3 }]).await;
    needs_names([NotTaken { a: 1, b: 0, c: 3 }]).await;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Pair(#[serde(default, skip_serializing_if = "is_zero")] u8, #[serde(default)] u8);
    arrives([Pair(1, 2)]).await;
    is_refused([Pair(0, 2)], "found 1 element, expected 2: tuple struct Pair").await;
}

#[tokio::test]
async fn values_of_well_known_libraries_arrive() {
    let uuid = uuid::Uuid::from_u128(0x1234_5678);
    let url = url::Url::parse("https://example.com/a?b=c").unwrap();
    let day = chrono::DateTime::from_timestamp(1_700_000_000, 5_000).unwrap();
    let moment = time::OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
    arrives([(uuid, url)]).await;
    arrives([(day, day.naive_utc(), day.date_naive(), day.time())]).await;
    arrives([(moment, moment.date(), moment.time(), time::Duration::seconds(5))]).await;
    arrives([rust_decimal::Decimal::new(-12_345, 3), rust_decimal::Decimal::MAX]).await;
    arrives(["10.0.0.0/8", "fe80::/10"].map(|net| net.parse::<ipnet::IpNet>().unwrap())).await;
    arrives([indexmap::IndexMap::<String, u8>::from_iter([("b".to_owned(), 1), ("a".to_owned(), 2)])]).await;
    arrives([smallvec::SmallVec::<[u16; 2]>::from_slice(&[1, 2, 3])]).await;
}

#[tokio::test]
async fn well_known_values_arrive_in_what_serde_buffers() {
    kinds! {
        #[serde(tag = "type")]
        enum Tagged {
            All {
                uuid: uuid::Uuid,
                url: url::Url,
                day: chrono::DateTime<chrono::Utc>,
                moment: time::OffsetDateTime,
                price: rust_decimal::Decimal,
                net: ipnet::IpNet,
            },
        }
        struct Flat { #[serde(flatten)] tagged: Tagged, other: uuid::Uuid }
    }
    let uuid = uuid::Uuid::from_u128(0x1234_5678);
    let tagged = Tagged::All {
        uuid,
        url: url::Url::parse("https://example.com/").unwrap(),
        day: chrono::DateTime::from_timestamp(1_700_000_000, 5_000).unwrap(),
        moment: time::OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap(),
        price: rust_decimal::Decimal::new(-12_345, 3),
        net: "10.0.0.0/8".parse().unwrap(),
    };
    arrives([tagged.clone()]).await;
    arrives([Flat { tagged, other: uuid }]).await;
}

#[tokio::test]
async fn json_arrives_with_numbers_of_any_precision() {
    kinds! {
        #[serde(tag = "type")]
        enum Tagged { Json { json: serde_json::Value, number: serde_json::Number } }
        struct Flat { id: u8, #[serde(flatten)] rest: serde_json::Map<String, serde_json::Value> }
    }
    for number in ["1", "-1", "1.5", "1.50", "1e5", "18446744073709551616", "0.1000000000000000055"] {
        let json: serde_json::Value = serde_json::from_str(&format!(
            r#"{{"a": [{number}, null, "text", true], "b": {{"c": {number}}}}}"#
        ))
        .unwrap();
        let number: serde_json::Number = serde_json::from_str(number).unwrap();
        arrives([number.clone()]).await;
        arrives([json.clone()]).await;
        let rest = json.as_object().unwrap().clone();
        arrives([Tagged::Json { json, number }]).await;
        arrives([Flat { id: 1, rest }]).await;
    }
}

mod held {
    #[mux::service(name = "orders")]
    pub(crate) trait Texts {
        async fn add(&self, lines: Vec<super::Line<String>>) -> Vec<super::Line<String>>;
        async fn fail(&self) -> Result<(), String>;
    }

    #[mux::service(name = "orders")]
    pub(crate) trait Numbers {
        async fn add(&self, lines: Vec<super::Line<u32>>) -> Vec<super::Line<u32>>;
        async fn fail(&self) -> Result<(), u32>;
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line<T> {
    units: T,
}

struct Orders;

impl held::Texts for Orders {
    async fn add(&self, lines: Vec<Line<String>>) -> Vec<Line<String>> {
        lines
    }

    async fn fail(&self) -> Result<(), String> {
        Err("text".into())
    }
}

impl held::Numbers for Orders {
    async fn add(&self, lines: Vec<Line<u32>>) -> Vec<Line<u32>> {
        lines
    }

    async fn fail(&self) -> Result<(), u32> {
        Err(7)
    }
}

#[tokio::test]
async fn an_argument_or_reply_that_does_not_fit_is_told_by_method_place_and_what_was_found() {
    let (here, there) = mux::pair();
    let _answering = Connection::builder().service(held::NumbersServer::new(Orders)).accept(there);
    let texts: held::TextsClient = Connection::builder().open(here).client();
    let lines = vec![Line { units: "one".to_owned() }];
    assert_eq!(
        texts.add(lines).await.unwrap_err().to_string(),
        "refused: argument `lines[0].units` of `orders.add`: found a string, expected u32"
    );
    assert_eq!(
        texts.fail().await.unwrap_err().to_string(),
        "the reply could not be decoded: found the number 7, expected a string (in the error of `orders.fail`)"
    );
}
