//! The service: all that the server and its visitors have in common.

use mux::Context;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Hits that an answer holds at most: the first ones.
pub(crate) const MOST_HITS: usize = 300;

/// Letters that a word to be found must have.
pub(crate) const LEAST_LETTERS: usize = 2;

#[mux::service]
pub(crate) trait Search {
    /// Every file that is indexed.
    async fn catalogue(&self) -> Vec<Entry>;
    /// The lines with a word in them.
    async fn find(&self, word: &str) -> Result<Vec<Hit>, TooShort>;
    /// Hit number `n` of a word. Whoever asks for one too many makes it panic.
    async fn nth(&self, word: &str, n: usize) -> Hit;
    /// How many lines an indexed file has by now.
    fn lines(&self, path: &str) -> mux::Result<usize>;
    /// The lines with a text anywhere in them, from reading all of them, `over` so much time.
    async fn scan(&self, text: &str, over: Duration, #[mux(context)] cx: &Context) -> Vec<Hit>;
    /// As `scan`, on a worker thread that it blocks.
    fn sift(&self, text: &str, over: Duration, #[mux(context)] cx: &Context) -> Vec<Hit>;
    /// Something for the server's diary.
    #[mux(notify)]
    async fn note(&self, line: &str, #[mux(context)] cx: &Context);
    /// What the server did for one visitor: its calls carry the name of the `visitor` as meta.
    async fn tally(&self, #[mux(context)] cx: &Context) -> Tally;
}

/// A line of a file, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hit {
    pub path: String,
    pub line: usize,
}

/// A file as it was when it was indexed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub path: String,
    pub digest: u64,
}

/// The typed error: a word that is not worth a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TooShort {
    pub word: String,
    pub least: usize,
}

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is too short: {} letters or more", self.word, self.least)
    }
}

impl Error for TooShort {}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Lines in the diary.
    pub notes: usize,
    /// Scans and sifts that go on.
    pub going: usize,
    /// Those that ended before they were done, as nobody wanted them any more.
    pub stopped: usize,
}
