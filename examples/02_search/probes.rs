//! One of each way in which a call can end other than well, seen from the caller's side.
//!
//! A probe gives back what it saw, in a line for the reader, or an error if it saw anything else.

use crate::Outcome;
use crate::search::{LEAST_LETTERS, SearchClient, Tally, TooShort};
use mux::{CallError, Error, RemoteError};
use serde::{Deserialize, Serialize};
use std::fmt::{Debug, Display};
use std::time::{Duration, Instant};

/// Longer than any visitor waits.
const FOR_AGES: Duration = Duration::from_secs(30);

/// For the server to notice something. A guard against waiting for ever, not a measure.
const PATIENCE: Duration = Duration::from_secs(10);

const NOTES: usize = 100;

pub(crate) struct Probes<'a> {
    pub search: &'a SearchClient,
    pub visitor: &'a str,
    /// A file that was deleted after it was indexed.
    pub vanished: &'a str,
    /// A text that is in the library.
    pub word: &'a str,
}

/// An ending of some calls, and what was seen of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub kind: String,
    pub calls: usize,
    pub seen: String,
}

impl Probes<'_> {
    pub(crate) async fn run(&self) -> Outcome<Vec<Finding>> {
        let findings = [
            ("typed", 1, self.typed().await?),
            ("untyped", 1, self.untyped().await?),
            ("panicked", 1, self.panicked().await?),
            ("timed out", 1, self.timed_out().await?),
            ("cancelled", 1, self.cancelled().await?),
            ("noted", NOTES, self.noted().await?),
        ];
        Ok(findings.map(|(kind, calls, seen)| Finding { kind: kind.to_owned(), calls, seen }).into())
    }

    async fn typed(&self) -> Outcome<String> {
        let expected = TooShort { word: "x".into(), least: LEAST_LETTERS };
        match self.search.find("x").await {
            Err(Error::App(short)) if short == expected => Ok(format!("TooShort: {short}")),
            other => surprise("a word of one letter", other),
        }
    }

    async fn untyped(&self) -> Outcome<String> {
        match self.search.lines(self.vanished).await {
            Err(Error::Remote(failure))
                if !failure.is_panic()
                    && failure.message() == format!("cannot count the lines of {}", self.vanished)
                    && failure.chain().eq(["No such file or directory (os error 2)"])
                    && is_in_server(&failure) =>
            {
                Ok(in_lines(&failure))
            }
            other => surprise("a file that vanished", other),
        }
    }

    async fn panicked(&self) -> Outcome<String> {
        let message = "index out of bounds: the len is 0 but the index is 7";
        match self.search.nth("no such word", 7).await {
            Err(Error::Remote(panic))
                if panic.is_panic() && panic.message() == message && is_in_server(&panic) =>
            {
                Ok(in_lines(&panic))
            }
            other => surprise("hit 7 of none", other),
        }
    }

    /// A blocking method, which goes on until it asks whether it is wanted.
    async fn timed_out(&self) -> Outcome<String> {
        let (before, begun) = (self.tally().await?, Instant::now());
        let sift = self.search.sift(self.word, FOR_AGES).meta("visitor", self.visitor);
        match sift.timeout(Duration::from_millis(200)).await {
            Err(Error::Call(CallError::TimedOut { sent: true })) => {}
            other => return surprise("a sift for ages", other),
        }
        let took = begun.elapsed();
        self.until("the sift stops", |tally| tally.going == 0 && tally.stopped == before.stopped + 1).await?;
        Ok(format!("after {took:.0?} of a sift that takes {FOR_AGES:?}; its thread saw that and stopped"))
    }

    /// A task, which is dropped where it waits.
    async fn cancelled(&self) -> Outcome<String> {
        let before = self.tally().await?;
        let scan = self.search.scan(self.word, FOR_AGES).meta("visitor", self.visitor).start();
        self.until("the scan begins", |tally| tally.going == 1).await?;
        drop(scan);
        let dropped = Instant::now();
        self.until("the scan stops", |tally| tally.going == 0 && tally.stopped == before.stopped + 1).await?;
        Ok(format!(
            "a scan that takes {FOR_AGES:?}; its handler was dropped within {:.0?}",
            dropped.elapsed()
        ))
    }

    async fn noted(&self) -> Outcome<String> {
        for number in 1..=NOTES {
            self.search.note(&format!("note {number}")).meta("visitor", self.visitor).await?;
        }
        self.until("all notes are there", |tally| tally.notes == NOTES).await?;
        Ok(format!("{NOTES} lines for the diary, without a reply; the server has counted as many"))
    }

    async fn tally(&self) -> Outcome<Tally> {
        Ok(self.search.tally().meta("visitor", self.visitor).await?)
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Tally) -> bool) -> Outcome {
        let begun = Instant::now();
        loop {
            let tally = self.tally().await?;
            if is_so(&tally) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("waited in vain until {what}: {tally:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn surprise<T>(what: &str, answer: Result<impl Debug, impl Display>) -> Outcome<T> {
    match answer {
        Ok(value) => Err(format!("{what} brought {value:?}").into()),
        Err(error) => Err(format!("{what} brought an error: {error}").into()),
    }
}

fn is_in_server(error: &RemoteError) -> bool {
    error.location().is_some_and(|place| place.contains("server.rs:"))
}

/// Message, sources and place.
fn in_lines(error: &RemoteError) -> String {
    let mut text = error.to_string();
    error.chain().for_each(|cause| text += &format!("\ncaused by: {cause}"));
    text + "\nat " + error.location().unwrap_or("an unknown place")
}
