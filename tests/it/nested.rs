//! `Bytes` inside of values: with `mux::bytes` at their field the long ones are not copied.

use crate::demo::until;
use crate::large::Watched;
use mux::{Bytes, CallError, Connection, Error, Receiver, Refusal, Stream};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio_stream::StreamExt;

const MIB: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Page {
    name: String,
    #[serde(with = "mux::bytes")]
    text: Bytes,
    #[serde(with = "mux::bytes")]
    margin: Option<Bytes>,
    #[serde(with = "mux::bytes")]
    columns: Vec<Bytes>,
    picture: Picture,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Picture {
    None,
    Whole(#[serde(with = "mux::bytes")] Bytes),
    Framed {
        width: u32,
        #[serde(with = "mux::bytes")]
        pixels: Bytes,
    },
}

fn bytes(len: usize) -> Bytes {
    (0..len).map(|at| (at % 251) as u8).collect::<Vec<u8>>().into()
}

impl Page {
    fn new(number: usize) -> Page {
        let long = |nth: usize| bytes(20_000 + 1000 * nth + number);
        let picture = match number % 3 {
            0 => Picture::None,
            1 => Picture::Whole(long(4)),
            _ => Picture::Framed { width: 7, pixels: long(4) },
        };
        Page {
            name: format!("page {number}"),
            text: long(0),
            margin: Some(long(1)),
            columns: vec![long(2), long(3)],
            picture,
        }
    }

    fn parts(&self) -> Vec<&Bytes> {
        let picture = match &self.picture {
            Picture::None => None,
            Picture::Whole(pixels) | Picture::Framed { pixels, .. } => Some(pixels),
        };
        let parts = [&self.text].into_iter().chain(&self.margin).chain(&self.columns);
        parts.chain(picture).collect()
    }
}

/// Whether the parts of these pages lie as they came: in one buffer, with hardly anything between them.
fn lie_together(pages: &[Page]) -> bool {
    let mut parts = pages.iter().flat_map(Page::parts).peekable();
    let mut together = true;
    while let Some(part) = parts.next() {
        // A copy would be its only owner.
        together &= !part.is_unique();
        let Some(next) = parts.peek() else { break };
        let between = next.as_ptr().addr().wrapping_sub(part.as_ptr().addr() + part.len());
        together &= between < 64;
    }
    together
}

struct Press {
    alive: Arc<AtomicUsize>,
}

macro_rules! press {
    ($module:ident, $encoding:tt) => {
        mod $module {
            use super::*;

            #[mux::service(encoding = $encoding)]
            pub(crate) trait Press {
                /// Whether they came uncopied.
                async fn print(&self, pages: Vec<Page>) -> bool;
                async fn pages(&self, count: usize) -> Vec<Page>;
                async fn stream(&self, count: usize) -> impl Stream<Item = Page>;
                /// How many came uncopied.
                async fn load(&self, pages: Receiver<Page>) -> usize;
                /// A page whose text tells when it is let go.
                async fn watched(&self) -> Page;
            }

            impl Press for super::Press {
                async fn print(&self, pages: Vec<Page>) -> bool {
                    lie_together(&pages)
                }

                async fn pages(&self, count: usize) -> Vec<Page> {
                    (0..count).map(Page::new).collect()
                }

                async fn stream(&self, count: usize) -> impl Stream<Item = Page> {
                    tokio_stream::iter((0..count).map(Page::new))
                }

                async fn load(&self, mut pages: Receiver<Page>) -> usize {
                    let mut uncopied = 0;
                    while let Some(page) = pages.recv().await.unwrap() {
                        uncopied += usize::from(lie_together(&[page]));
                    }
                    uncopied
                }

                async fn watched(&self) -> Page {
                    Page { text: Watched::bytes(MIB, &self.alive), ..Page::new(0) }
                }
            }

            #[tokio::test]
            async fn long_ones_are_parts_of_the_message_they_came_in() {
                let (client, _alive, _ends) = press(MIB);
                assert!(client.print((0..6).map(Page::new).collect()).await.unwrap());
                let pages = client.pages(6).await.unwrap();
                assert!(lie_together(&pages));
                assert_eq!(pages, (0..6).map(Page::new).collect::<Vec<_>>());
            }

            #[tokio::test]
            async fn so_are_those_of_items() {
                let (client, _alive, _ends) = press(MIB);
                let mut pages = client.stream(6).await.unwrap();
                for number in 0..6 {
                    let page = pages.next().await.unwrap().unwrap();
                    assert_eq!(page, Page::new(number));
                    assert!(lie_together(&[page]));
                }
                let (mut sender, receiver) = mux::channel();
                let call = client.load(receiver).start();
                for number in 0..6 {
                    sender.send(Page::new(number)).await.unwrap();
                }
                sender.send_all(tokio_stream::iter((0..6).map(Page::new))).await.unwrap();
                sender.finish();
                assert_eq!(call.await.unwrap(), 12);
            }

            #[tokio::test]
            async fn long_ones_are_written_from_where_they_lie() {
                let (client, alive, _ends) = press(1 << 10);
                let page = Page { text: Watched::bytes(MIB, &alive), ..Page::new(2) };
                let call = client.print(vec![page]);
                assert_eq!(alive.load(SeqCst), 1, "the call holds them, no copy of them");
                assert!(call.await.unwrap());
                assert_eq!(alive.load(SeqCst), 0);

                let call = tokio::spawn(client.watched().start());
                until(|| alive.load(SeqCst) == 1).await;
                assert_eq!(alive.load(SeqCst), 1, "so does the answer, while it is under way");
                assert_eq!(call.await.unwrap().unwrap().text, vec![7; MIB]);
                assert_eq!(alive.load(SeqCst), 0);
            }

            fn press(room: usize) -> (PressClient, Arc<AtomicUsize>, [Connection; 2]) {
                let alive = Arc::new(AtomicUsize::new(0));
                let (here, there) = tokio::io::duplex(room);
                let server = PressServer::new(super::Press { alive: Arc::clone(&alive) });
                let answering = Connection::builder().service(server).accept(there);
                let asking = Connection::builder().open(here);
                (PressClient::new(&asking), alive, [asking, answering])
            }
        }
    };
}

press!(named, "named");
press!(compact, "compact");

/// One service, as three peers know it.
mod scales {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Weighed {
        #[serde(with = "mux::bytes")]
        pub(crate) data: Bytes,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Load<T> {
        pub(crate) data: T,
    }

    pub(crate) mod ours {
        #[mux::service(name = "scales")]
        pub(crate) trait Scales {
            async fn weigh(&self, load: super::Weighed) -> super::Weighed;
        }
    }

    pub(crate) mod theirs {
        #[mux::service(name = "scales")]
        pub(crate) trait Scales<T> {
            async fn weigh(&self, load: super::Load<T>) -> super::Load<T>;
        }
    }

    pub(crate) struct Desk;

    impl ours::Scales for Desk {
        async fn weigh(&self, load: Weighed) -> Weighed {
            load
        }
    }
}

#[tokio::test]
async fn arrays_are_understood_and_what_is_no_bytes_fails_one_call() {
    use scales::{Desk, Load, ours, theirs};
    let (here, there) = mux::pair();
    let _answering = Connection::builder().service(ours::ScalesServer::new(Desk)).accept(there);
    let asking = Connection::builder().open(here);
    let weighed = ours::ScalesClient::new(&asking);
    for len in [10, 100_000] {
        let array: Vec<u8> = bytes(len).into();
        let arrays = theirs::ScalesClient::<Vec<u8>>::new(&asking);
        assert_eq!(arrays.weigh(Load { data: array.clone() }).await.unwrap().data, array);
        let texts = theirs::ScalesClient::<Vec<String>>::new(&asking);
        let wrong = texts.weigh(Load { data: vec!["x".repeat(len)] }).await;
        let Err(Error::Call(CallError::Refused(refused))) = wrong else { panic!("{wrong:?}") };
        assert_eq!(refused.reason(), Refusal::InvalidArgs);
        let numbers = theirs::ScalesClient::<Vec<u32>>::new(&asking);
        assert!(numbers.weigh(Load { data: vec![1 << 20; len] }).await.is_err());
        let whole = scales::Weighed { data: bytes(len) };
        assert_eq!(weighed.weigh(whole).await.unwrap().data, array, "the connection goes on");
    }
}

#[test]
fn other_serializers_see_plain_bytes() {
    let mut lines = csv::Writer::from_writer(Vec::new());
    lines.serialize(scales::Weighed { data: vec![b'x'; 20_000].into() }).unwrap();
    lines.serialize(scales::Weighed { data: "short".into() }).unwrap();
    let lines = lines.into_inner().unwrap();
    assert_eq!(lines, format!("data\n{}\nshort\n", "x".repeat(20_000)).as_bytes());
    let read: Vec<scales::Weighed> =
        csv::Reader::from_reader(&lines[..]).deserialize().map(Result::unwrap).collect();
    assert_eq!(read[0].data, vec![b'x'; 20_000]);
}
