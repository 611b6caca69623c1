//! What a user sends is what the other end gets, whatever serde makes of its type; else the call fails, and says why.

mod any;
mod zoo;

use crate::victim::Garbage;
use arbitrary::Unstructured;
use mux::{ChannelError, Connection, Error, Receiver, Sender, Stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use zoo::{Animal, KINDS, Kind};

trait Value: Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static {}

impl<V: Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static> Value for V {}

/// A value as the field of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held<V> {
    before: u8,
    value: V,
    after: u8,
}

impl<V> Held<V> {
    fn new(value: V) -> Held<V> {
        Held { before: 1, value, after: 2 }
    }
}

/// A value in what serde buffers before it knows its type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Buffered<V> {
    Nothing,
    It { value: V },
}

/// What a service has that is asked for it.
struct Keeper<V>(Arc<Mutex<V>>);

impl<V: Clone> Keeper<V> {
    fn new(value: V) -> Keeper<V> {
        Keeper(Arc::new(Mutex::new(value)))
    }

    fn keep(&self, value: V) {
        *self.0.lock().unwrap() = value;
    }

    fn get(&self) -> V {
        self.0.lock().unwrap().clone()
    }
}

impl<V> Clone for Keeper<V> {
    fn clone(&self) -> Keeper<V> {
        Keeper(self.0.clone())
    }
}

/// Whether it came as it was sent, or why not.
type Told = Result<bool, String>;

fn told<T: PartialEq>(arrived: Result<T, impl Display>, sent: &T) -> Told {
    arrived.map(|arrived| arrived == *sent).map_err(|error| error.to_string())
}

/// A service where a value has all the places that there are.
macro_rules! services {
    ($module:ident, $encoding:tt) => {
        mod $module {
            use super::*;

            #[mux::service(name = "keep", encoding = $encoding)]
            pub(crate) trait Keep<V: Clone> {
                async fn argument(&self, value: V) -> bool;
                async fn reference(&self, value: &V) -> bool;
                async fn optional(&self, value: Option<&V>) -> bool;
                async fn slice(&self, values: &[V]) -> bool;
                async fn field(&self, held: Held<V>) -> bool;
                async fn result(&self) -> V;
                async fn option(&self) -> Option<V>;
                async fn list(&self) -> Vec<V>;
                async fn held(&self) -> Held<V>;
                async fn error(&self) -> Result<(), V>;
                async fn items(&self) -> impl Stream<Item = V>;
                async fn failed(&self) -> impl Stream<Item = Result<(), V>>;
                async fn take(&self, values: Receiver<V>) -> Result<bool, String>;
                async fn give(&self, values: Sender<V>) -> Result<(), String>;
                async fn buffered(&self, value: Buffered<V>) -> bool;
            }

            impl<V: Value> Keep<V> for Keeper<V> {
                async fn argument(&self, value: V) -> bool {
                    value == self.get()
                }

                async fn reference(&self, value: &V) -> bool {
                    *value == self.get()
                }

                async fn optional(&self, value: Option<&V>) -> bool {
                    value == Some(&self.get())
                }

                async fn slice(&self, values: &[V]) -> bool {
                    values == vec![self.get(); 2]
                }

                async fn field(&self, held: Held<V>) -> bool {
                    held == Held::new(self.get())
                }

                async fn result(&self) -> V {
                    self.get()
                }

                async fn option(&self) -> Option<V> {
                    Some(self.get())
                }

                async fn list(&self) -> Vec<V> {
                    vec![self.get(); 2]
                }

                async fn held(&self) -> Held<V> {
                    Held::new(self.get())
                }

                async fn error(&self) -> Result<(), V> {
                    Err(self.get())
                }

                async fn items(&self) -> impl Stream<Item = V> {
                    tokio_stream::iter([self.get(), self.get()])
                }

                async fn failed(&self) -> impl Stream<Item = Result<(), V>> {
                    tokio_stream::iter([Err(self.get())])
                }

                async fn take(&self, mut values: Receiver<V>) -> Result<bool, String> {
                    let value = values.recv().await.map_err(|error| error.to_string())?;
                    Ok(value == Some(self.get()))
                }

                async fn give(&self, mut values: Sender<V>) -> Result<(), String> {
                    values.send(self.get()).await.map_err(|error| error.to_string())?;
                    values.finish();
                    Ok(())
                }

                async fn buffered(&self, value: Buffered<V>) -> bool {
                    value == Buffered::It { value: self.get() }
                }
            }

            /// A client of a keeper over a connection, and what keeps that open.
            pub(super) fn remote<V: Value>(keeper: &Keeper<V>) -> (KeepClient<V>, [Connection; 2]) {
                let (here, there) = mux::pair();
                let there = Connection::builder().service(KeepServer::new(keeper.clone())).accept(there);
                let here = Connection::builder().open(here);
                (here.client(), [here, there])
            }

            /// What becomes of it in each place.
            pub(super) async fn everywhere<V: Value>(
                client: &KeepClient<V>,
                value: &V,
            ) -> [(&'static str, Told); 14] {
                let twice = vec![value.clone(); 2];
                [
                    ("argument", told(client.argument(value.clone()).await, &true)),
                    ("reference", told(client.reference(value).await, &true)),
                    ("optional", told(client.optional(Some(value)).await, &true)),
                    ("slice", told(client.slice(&twice).await, &true)),
                    ("field", told(client.field(Held::new(value.clone())).await, &true)),
                    ("result", told(client.result().await, value)),
                    ("option", told(client.option().await, &Some(value.clone()))),
                    ("list", told(client.list().await, &twice)),
                    ("held", told(client.held().await, &Held::new(value.clone()))),
                    ("error", error(client.error().await, value)),
                    ("items", told(items(client.items().await).await, &twice)),
                    ("failed", failed(client.failed().await, value).await),
                    ("taken", taken(client, value).await),
                    ("given", given(client, value).await),
                ]
            }

            async fn taken<V: Value>(client: &KeepClient<V>, value: &V) -> Told {
                let (mut sender, receiver) = mux::channel();
                let sent = async {
                    let sent = sender.send(value.clone()).await;
                    drop(sender);
                    sent
                };
                let (taken, sent) = tokio::join!(client.take(receiver), sent);
                // Where the call is refused, its receiver is gone too.
                if !taken.as_ref().is_err_and(Error::did_not_run) {
                    sent.map_err(|error| error.to_string())?;
                }
                told(taken.map_err(unquoted), &true)
            }

            async fn given<V: Value>(client: &KeepClient<V>, value: &V) -> Told {
                let (sender, receiver) = mux::channel();
                let (given, items) = tokio::join!(client.give(sender), all(receiver));
                given.map_err(unquoted)?;
                told(items, &vec![value.clone()])
            }

            pub(super) async fn buffered<V: Value>(client: &KeepClient<V>, value: &V) -> Told {
                told(client.buffered(Buffered::It { value: value.clone() }).await, &true)
            }
        }
    };
}

services!(named, "named");
services!(compact, "compact");

async fn items<V>(items: Result<Receiver<V>, Error>) -> Result<Vec<V>, String> {
    all(items.map_err(|error| error.to_string())?).await
}

async fn all<V>(mut items: Receiver<V>) -> Result<Vec<V>, String> {
    let mut all = Vec::new();
    while let Some(item) = items.recv().await.map_err(|error: ChannelError| error.to_string())? {
        all.push(item);
    }
    Ok(all)
}

async fn failed<V: Value>(items: Result<Receiver<(), V>, Error>, sent: &V) -> Told {
    match items.map_err(|error| error.to_string())?.recv().await {
        Ok(_) => Ok(false),
        Err(ChannelError::App(error)) => Ok(error == *sent),
        Err(ChannelError::Undecodable(text) | ChannelError::Dropped(text)) => Err(text),
        Err(ChannelError::Remote(error)) => Err(error.to_string()),
        Err(error) => Err(format!("{error:?}")),
    }
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

/// What becomes of a value on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Arrives,
    /// With `encoding = "named"`. Else it is refused, and the text says that it needs that.
    NeedsNames,
    /// By a text with this in it.
    Refused(&'static str),
    /// So too, but where serde buffers it, nothing tells what it was.
    RefusedUnbuffered(&'static str),
}

impl Fate {
    fn by_position(self) -> Fate {
        match self {
            Fate::NeedsNames => Fate::Refused("`encoding = \"named\"`"),
            fate => fate,
        }
    }

    /// What is wrong with what became of it.
    fn fault(self, told: Told) -> Option<String> {
        match (self, told) {
            (Fate::Refused(why) | Fate::RefusedUnbuffered(why), Err(text)) if text.contains(why) => None,
            (Fate::Refused(why) | Fate::RefusedUnbuffered(why), told) => {
                Some(format!("{told:?}, not refused by: {why}"))
            }
            (_, Ok(true)) => None,
            (_, Ok(false)) => Some("it has become another".to_owned()),
            (_, Err(text)) => Some(format!("refused: {text}")),
        }
    }
}

/// A keeper and its clients.
struct Clients<V: Value> {
    keeper: Keeper<V>,
    local: named::KeepClient<V>,
    named: named::KeepClient<V>,
    compact: compact::KeepClient<V>,
    _connections: [[Connection; 2]; 2],
}

impl<V: Value> Clients<V> {
    fn new(value: V) -> Clients<V> {
        let keeper = Keeper::new(value);
        let (named, by_name) = named::remote(&keeper);
        let (compact, by_position) = compact::remote(&keeper);
        let local = named::KeepClient::local(keeper.clone());
        Clients { keeper, local, named, compact, _connections: [by_name, by_position] }
    }

    /// What is wrong with what becomes of it in every place: here, where it is not serialised, it always arrives, and where
    /// serde buffers it, it may be refused.
    async fn faults(&self, value: &V, fate: Fate) -> Vec<String> {
        self.keeper.keep(value.clone());
        let local = named::everywhere(&self.local, value).await;
        let named = named::everywhere(&self.named, value).await;
        let compact = compact::everywhere(&self.compact, value).await;
        let fates = [
            ("local", Fate::Arrives, local),
            ("named", fate, named),
            ("compact", fate.by_position(), compact),
        ];
        let mut faults = Vec::new();
        for (way, fate, places) in fates {
            for (place, told) in places {
                faults.extend(fate.fault(told).map(|fault| format!("{way}, {place}: {fault}")));
            }
        }
        for buffered in
            [named::buffered(&self.named, value).await, compact::buffered(&self.compact, value).await]
        {
            if buffered == Ok(false) && !matches!(fate, Fate::RefusedUnbuffered(_)) {
                faults.push("buffered: it has become another".to_owned());
            }
        }
        faults
    }
}

/// Random values of a kind are made of so many bytes.
const BYTES: usize = 256;

/// So many of each kind.
const CASES: u64 = 16;

fn animal(kind: Kind, garbage: &mut Garbage) -> Animal {
    // Some bytes are no value.
    let mut tries = (0..100).map(|_| Animal::any(kind, &mut Unstructured::new(&bytes(garbage))));
    tries.find_map(Result::ok).expect("bytes that make one")
}

/// Any, or all of them text, or mostly those of which the edges of integers are made.
fn bytes(garbage: &mut Garbage) -> [u8; BYTES] {
    let way = garbage.below(3);
    std::array::from_fn(|_| {
        let byte = garbage.next() as u8;
        match way {
            0 => byte,
            1 => byte & 0x7f,
            _ => [0, 0xff, 0x7f, 0x80, 1, byte][garbage.below(6)],
        }
    })
}

/// From the seed that `MUX_VALUES_SEED` says, or from another on every run.
#[tokio::test]
async fn a_value_of_any_type_arrives_as_it_was_sent_in_all_places_or_is_refused_in_all() {
    let seed = std::env::var("MUX_VALUES_SEED").map_or_else(
        |_| RandomState::new().hash_one(0) | 1,
        |seed| seed.parse().expect("a number as MUX_VALUES_SEED"),
    );
    let mut garbage = Garbage(seed);
    let mut clients = None;
    let mut faults = BTreeMap::new();
    for (kind, _) in KINDS.iter().flat_map(|kind| (0..CASES).map(move |case| (kind, case))) {
        let value = animal(*kind, &mut garbage);
        let clients = clients.get_or_insert_with(|| Clients::new(value.clone()));
        if let Some(fault) = clients.faults(&value, value.fate()).await.into_iter().next() {
            faults.insert(format!("{kind:?}"), format!("{value:?}\n    {fault}"));
        }
    }
    assert!(faults.is_empty(), "MUX_VALUES_SEED={seed}: {faults:#?}");
}

async fn arrives<V: Value>(value: V) {
    let faults = Clients::new(value.clone()).faults(&value, Fate::Arrives).await;
    assert!(faults.is_empty(), "{value:?}: {faults:#?}");
}

#[tokio::test]
async fn what_is_particular_by_itself_arrives() {
    for bytes in [vec![], vec![1, 2, 255], vec![7; 300]] {
        arrives(mux::Bytes::from(bytes.clone())).await;
        arrives(bytes).await;
    }
    for option in [None, Some(None), Some(Some(()))] {
        arrives(option).await;
    }
    arrives(()).await;
}

#[tokio::test]
async fn long_values_arrive() {
    async fn arrives<V: Value>(value: V) {
        let Clients { keeper: _keeper, named, compact, .. } = &Clients::new(value.clone());
        assert!(
            named.argument(value.clone()).await.unwrap() && compact.argument(value.clone()).await.unwrap()
        );
        assert!(named.result().await.unwrap() == value && compact.held().await.unwrap() == Held::new(value));
    }
    arrives("text".repeat(20_000)).await;
    arrives(vec![7_u8; 70_000]).await;
    arrives(vec![7_u16; 70_000]).await;
    arrives(mux::Bytes::from(vec![7; 70_000])).await;
    arrives((0..70_000).map(|number| (number, ())).collect::<BTreeMap<u32, ()>>()).await;
}

/// Writes other fields than it reads, but as many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Split {
    same: u8,
    #[serde(default, skip_serializing)]
    read: u8,
    #[serde(skip_deserializing)]
    written: u8,
}

#[tokio::test]
async fn fields_that_positions_do_not_tell_are_refused_in_all_places_and_arrive_by_names() {
    let split = Split { same: 1, read: 0, written: 0 };
    let faults = Clients::new(split.clone()).faults(&split, Fate::NeedsNames).await;
    assert!(faults.is_empty(), "{faults:#?}");
    // Of another type parameter.
    arrives(7).await;
}

#[tokio::test]
async fn a_call_whose_fields_positions_do_not_tell_has_not_run_and_says_which() {
    let split = Split { same: 1, read: 2, written: 3 };
    let (client, _connections) = compact::remote(&Keeper::new(split.clone()));
    let error = client.argument(split).await.unwrap_err();
    assert!(error.did_not_run());
    let within = std::any::type_name::<Split>();
    assert_eq!(
        error.to_string(),
        format!(
            "refused: `keep.argument` is not called: argument `value`: `Split` (in `{within}`) writes its field `written` \
             where it reads `read`, and positions do not tell; `encoding = \"named\"` goes by names"
        )
    );
    let error = client.failed().await.unwrap_err().to_string();
    assert!(error.contains("is not called: the error of the stream: `Split`"), "{error}");
}

#[test]
fn no_type_that_arrives_by_position_is_refused_beforehand() {
    for kind in KINDS {
        let _ = Animal::any(*kind, &mut Unstructured::new(&[0; BYTES]));
        let probe = mux::__private::Evidence::probe(mux::__private::travels::<Animal, _>(), "it");
        assert_eq!(probe.refusal(), None, "{kind:?}");
    }
}

struct Echoing;

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

#[tokio::test]
async fn json_arrives_with_numbers_of_any_precision() {
    for number in ["1", "-1", "1.5", "1.50", "1e5", "18446744073709551616", "0.1000000000000000055"] {
        let json = format!(r#"{{"a": [{number}, null, "text", true], "b": {{"c": {number}}}}}"#);
        arrives(serde_json::from_str::<serde_json::Value>(&json).unwrap()).await;
        arrives(serde_json::from_str::<serde_json::Number>(number).unwrap()).await;
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
