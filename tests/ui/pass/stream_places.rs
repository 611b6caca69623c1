//! Streaming methods of generic services, under `#[cfg]`, behind a macro, beside names of the generated code, and where
//! the prelude's own names mean something else.

#![deny(warnings, unused_qualifications, unreachable_pub)]
#![deny(unused, future_incompatible, rust_2018_idioms, refining_impl_trait)]
#![allow(unexpected_cfgs)]

use mux::{Connection, Receiver, Stream};
use tokio_stream::iter;

/// Both ways to reach it.
macro_rules! clients {
    ($client:ident, $server:ident, $service:expr) => {{
        let (here, there) = mux::pair();
        let server = Connection::builder().service($server::new($service)).accept(there);
        tokio::spawn(async move { server.closed().await });
        [$client::new(&Connection::builder().open(here)), $client::local($service)]
    }};
}

async fn all<T, E: PartialEq + std::fmt::Debug>(mut items: Receiver<T, E>) -> Vec<T> {
    let mut seen = Vec::new();
    while let Some(item) = items.recv().await.unwrap() {
        seen.push(item);
    }
    seen
}

/// Generic over what it yields.
#[mux::service(debug)]
pub trait Feed<T: Clone, E = String>
where
    E: Clone,
{
    async fn since(&self, first: &T) -> impl Stream<Item = T>;
    async fn pairs(&self, by: T) -> Result<impl Stream<Item = (T, Vec<T>)>, E>;
    fn failing(&self) -> impl Stream<Item = Result<T, E>>;
    async fn push(&self, items: Receiver<T, E>) -> u64;
}

#[derive(Clone)]
struct Log<T>(Vec<T>);

impl<T> Feed<T, u8> for Log<T>
where
    T: Clone + PartialEq + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + Unpin + 'static,
{
    async fn since(&self, first: &T) -> impl Stream<Item = T> {
        iter(self.0.iter().skip_while(move |item| *item != first).cloned())
    }
    async fn pairs(&self, by: T) -> Result<impl Stream<Item = (T, Vec<T>)>, u8> {
        Ok(iter(self.0.iter().map(move |item| (item.clone(), vec![by.clone()]))))
    }
    fn failing(&self) -> impl Stream<Item = Result<T, u8>> {
        iter(self.0.iter().cloned().map(Ok))
    }
    async fn push(&self, items: Receiver<T, u8>) -> u64 {
        all(items).await.len() as u64
    }
}

async fn generic() {
    for feed in clients!(FeedClient, FeedServer, Log(vec!["a".to_owned(), "b".to_owned()])) {
        let items: Receiver<String> = feed.since(&"b".to_owned()).await.unwrap();
        assert_eq!(all(items).await, ["b"]);
        let pairs: Receiver<(String, Vec<String>)> = feed.pairs("c".to_owned()).await.unwrap();
        assert_eq!(all(pairs).await.len(), 2);
        let failing: Receiver<String, u8> = feed.failing().await.unwrap();
        assert_eq!(all(failing).await, ["a", "b"]);
        let (sender, receiver) = mux::channel_with_error();
        sender.finish();
        assert_eq!(feed.push(receiver).await.unwrap(), 0);
    }
}

#[mux::service(encoding = "compact")]
trait Conditional {
    #[cfg(off)]
    async fn gone(&self, from: Missing) -> impl Stream<Item = Missing>;
    #[cfg(not(off))]
    async fn here(&self, #[cfg(off)] from: Option<Missing>) -> impl Stream<Item = Hidden>;
    #[cfg(off)]
    fn here(&self) -> Result<impl Stream<Item = Missing>, Missing>;
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Hidden {
    n: u8,
}

macro_rules! made {
    ($name:ident, $stream:ty, $result:ty, $item:ty) => {
        #[mux::service]
        trait $name {
            async fn r#type(&self, r#fn: $item, opening: $item, context: &str) -> $stream;
            fn r#match(&self, sender: $item, #[mux(context)] receiver: &mux::Context) -> $result;
            async fn inner(&self, count: $item) -> impl Stream<Item = $item> {
                let args = count;
                iter(0..args)
            }
        }
    };
}

made!(Made, impl Stream<Item = u32>, mux::Result<impl Stream<Item = mux::Result<u32>> + Send>, u32);

struct Here;

impl Conditional for Here {
    async fn here(&self) -> impl Stream<Item = Hidden> {
        iter((0..2).map(|n| Hidden { n }))
    }
}

impl Made for Here {
    async fn r#type(&self, r#fn: u32, opening: u32, context: &str) -> impl Stream<Item = u32> {
        iter([r#fn, opening, context.len() as u32].into_iter())
    }
    fn r#match(&self, sender: u32, _: &mux::Context) -> mux::Result<impl Stream<Item = mux::Result<u32>>> {
        Ok(iter((0..sender).map(Ok)))
    }
}

async fn places() {
    for client in clients!(ConditionalClient, ConditionalServer, Here) {
        assert_eq!(all(client.here().await.unwrap()).await, [Hidden { n: 0 }, Hidden { n: 1 }]);
    }
    for client in clients!(MadeClient, MadeServer, Here) {
        assert_eq!(all(client.r#type(1, 2, "abc").await.unwrap()).await, [1, 2, 3]);
        assert_eq!(all(client.r#match(2).await.unwrap()).await, [0, 1]);
        assert_eq!(all(client.inner(2).await.unwrap()).await, [0, 1]);
    }
}

#[allow(dead_code)]
mod shadow {
    pub(crate) struct Receiver;
    pub(crate) struct Sender;
    pub(crate) struct Vec;
    pub(crate) struct Some;
    pub(crate) struct None;
    pub(crate) struct Ok;
    pub(crate) struct Err;
    pub(crate) struct Option;
    pub(crate) struct Call;
    pub(crate) trait Send {}
    pub(crate) trait Future {}
    pub(crate) type Result<T> = core::result::Result<T, u8>;
    pub(crate) fn plain() {}
    pub(crate) fn failing() {}
    /// Not the real one.
    pub(crate) trait Source {
        fn stream(&self) {}
        fn stream_result(&self) {}
    }
    impl<T: ?Sized> Source for T {}
}

mod shadowed {
    #[allow(unused_imports)]
    use super::shadow::*;
    use mux::Stream as Flow;
    use tokio_stream::iter;

    #[mux::service]
    pub(crate) trait Shadowed {
        async fn plain(&self) -> impl mux::Stream<Item = u8>;
        async fn failing(&self, text: &str) -> Result<impl mux::Stream<Item = Result<u8>>>;
        fn source(&self) -> Result<impl mux::Stream<Item = u8>>;
        async fn stream(&self, items: mux::Receiver<u8>) -> mux::Receiver<u8>;
    }

    pub(crate) struct Here;

    impl Shadowed for Here {
        async fn plain(&self) -> impl Flow<Item = u8> {
            iter(0..1)
        }
        async fn failing(&self, text: &str) -> Result<impl Flow<Item = Result<u8>>> {
            core::result::Result::Ok(iter(text.bytes().map(core::result::Result::Ok)))
        }
        fn source(&self) -> Result<impl Flow<Item = u8>> {
            core::result::Result::Ok(iter(0..1))
        }
        async fn stream(&self, items: mux::Receiver<u8>) -> mux::Receiver<u8> {
            items
        }
    }
}

async fn shadowing() {
    use shadowed::{Here, ShadowedClient, ShadowedServer};
    for client in clients!(ShadowedClient, ShadowedServer, Here) {
        assert_eq!(all(client.plain().await.unwrap()).await, [0]);
        let failing: Receiver<u8, u8> = client.failing("a").await.unwrap();
        assert_eq!(all(failing).await, *b"a");
        assert_eq!(all(client.source().await.unwrap()).await, [0]);
        let (mut sender, receiver) = mux::channel();
        let back = client.stream(receiver).await.unwrap();
        sender.send(3).await.unwrap();
        sender.finish();
        assert_eq!(all(back).await, [3]);
    }
}

#[tokio::main]
async fn main() {
    generic().await;
    places().await;
    shadowing().await;
}
