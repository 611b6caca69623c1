//! A service may be generic over types, with bounds anywhere.

#![deny(warnings, missing_docs, unused_qualifications)]

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Mutex;

/// Keeps values by key.
#[mux::service(debug)]
pub trait Store<K: Eq + Hash, V = String>: Debug
where
    K: Clone,
    V: Clone + PartialEq<V>,
    Self: Sized,
{
    /// The value of a key.
    async fn get(&self, key: &K) -> Option<V>;
    /// Stores a value.
    async fn put(&self, key: K, value: V) -> Option<V>;
    /// Whether a key is there.
    async fn has(&self, key: &K) -> bool {
        self.get(key).await.is_some()
    }
    /// How many there are.
    fn len(&self) -> usize;
}

#[derive(Debug, Default)]
struct Map<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Store<K, V> for Map<K, V>
where
    K: Eq + Hash + Clone + Debug + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
    V: Clone + PartialEq + Debug + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    async fn get(&self, key: &K) -> Option<V> {
        self.0.lock().unwrap().get(key).cloned()
    }
    async fn put(&self, key: K, value: V) -> Option<V> {
        self.0.lock().unwrap().insert(key, value)
    }
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[mux::service]
trait Unused<T> {
    async fn nothing(&self);
}

fn main() {
    let client: StoreClient<u32, u64> = StoreClient::local(Map::<u32, u64>::default());
    assert_eq!(client.put(1, 10).wait().unwrap(), None);
    assert_eq!(client.get(&1).wait().unwrap(), Some(10));
    assert!(client.clone().has(&1).wait().unwrap());
    assert_eq!(client.len().wait().unwrap(), 1);

    let server = StoreServer::new(Map::<String, String>::default()).inspect(|request| {
        let _ = request.method();
    });
    assert_eq!(format!("{server:?}"), "StoreServer { .. }");

    let body = mux::Bytes::from_static(b"\x91\x07");
    let request = StoreRequest::<u32, u64>::decode("get", &body).unwrap();
    assert_eq!(format!("{request:?}"), "get { key: 7 }");
}
