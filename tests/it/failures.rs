//! What a method may fail with that has no type of its own on the wire.

use mux::{Connection, Error, RemoteError};
use std::borrow::Cow;

type Boxed = Box<dyn std::error::Error + Send + Sync>;

#[mux::service]
trait Failing {
    async fn text(&self) -> mux::Result<()>;
    async fn string(&self) -> mux::Result<()>;
    async fn cow(&self) -> mux::Result<()>;
    async fn boxed(&self) -> mux::Result<()>;
    async fn error(&self) -> mux::Result<()>;
    async fn with_anyhow(&self) -> mux::Result<()>;
    async fn with_eyre(&self) -> mux::Result<()>;
    fn on_a_worker(&self) -> mux::Result<()>;
}

struct Unlucky;

#[derive(Debug, thiserror::Error)]
#[error("cannot import")]
struct Import(#[source] std::fmt::Error);

impl Failing for Unlucky {
    async fn text(&self) -> mux::Result<()> {
        Ok(Err("no luck")?)
    }

    async fn string(&self) -> mux::Result<()> {
        Err(String::from("no luck").into())
    }

    async fn cow(&self) -> mux::Result<()> {
        Ok(Err(Cow::from("no luck"))?)
    }

    async fn boxed(&self) -> mux::Result<()> {
        Ok(Err(Boxed::from(Import(std::fmt::Error)))?)
    }

    async fn error(&self) -> mux::Result<()> {
        Ok(Err(Import(std::fmt::Error))?)
    }

    async fn with_anyhow(&self) -> mux::Result<()> {
        use anyhow::Context;
        Ok(Err(std::fmt::Error).context("cannot import")?)
    }

    async fn with_eyre(&self) -> mux::Result<()> {
        use eyre::WrapErr;
        Ok(Err(std::fmt::Error).wrap_err("cannot import")?)
    }

    fn on_a_worker(&self) -> mux::Result<()> {
        Ok(Err("no luck")?)
    }
}

fn remote(result: Result<(), Error>) -> RemoteError {
    match result {
        Err(Error::Remote(remote)) => remote,
        other => panic!("no remote error: {other:?}"),
    }
}

#[tokio::test]
async fn a_method_fails_by_a_question_mark_with_whatever_it_has() {
    let (here, there) = mux::pair();
    let _answering = Connection::builder().service(FailingServer::new(Unlucky)).accept(there);
    let client = Connection::builder().open(here).client::<FailingClient>();
    for call in [client.text(), client.string(), client.cow(), client.on_a_worker()] {
        let remote = remote(call.await);
        assert_eq!((remote.message(), remote.type_name(), remote.chain().count()), ("no luck", None, 0));
        assert!(remote.location().unwrap().contains("failures.rs"), "{remote}");
    }
    for call in [client.boxed(), client.with_anyhow(), client.with_eyre()] {
        let remote = remote(call.await);
        assert_eq!((remote.message(), remote.type_name()), ("cannot import", None));
        assert_eq!(remote.chain().collect::<Vec<_>>(), [std::fmt::Error.to_string()]);
        assert!(remote.location().unwrap().contains("failures.rs"), "{remote}");
    }
    let remote = remote(client.error().await);
    assert!(remote.type_name().unwrap().ends_with("::Import"), "{remote}");
}
