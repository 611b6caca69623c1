//! The server process: reads, indexes, and answers until its standard input ends.

use crate::Outcome;
use crate::index::Index;
use crate::library::Library;
use crate::search::{Entry, Hit, LEAST_LETTERS, MOST_HITS, Search, SearchServer, Tally, TooShort};
use mux::{Context, Failure, Server, Workers};
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::panic;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{sink, stdin};

/// Threads for `lines` and `sift`, for all visitors.
const WORKERS: usize = 8;

/// Says on its standard output what it has read, once it can be called.
pub(crate) async fn serve(address: &str, folders: &[&str]) -> Outcome {
    // Who makes a handler panic is told; nobody else needs to be.
    panic::set_hook(Box::new(|_| {}));
    let librarian = Librarian::read(folders)?;
    let contents = librarian.contents();
    let server = Server::new().service(SearchServer::new(librarian)).workers(Workers::Pool(WORKERS));
    let server = server.listen(address).await?;
    println!("{contents}");
    server.run_until(end_of_input()).await?;
    Ok(())
}

async fn end_of_input() -> io::Result<u64> {
    tokio::io::copy(&mut stdin(), &mut sink()).await
}

struct Librarian {
    library: Library,
    index: Index,
    lines: usize,
    diary: Diary,
}

impl Librarian {
    fn read(folders: &[&str]) -> Outcome<Librarian> {
        let library = Library::read(folders)?;
        let (index, lines) = (Index::of(&library), library.lines().count());
        Ok(Librarian { library, index, lines, diary: Diary::default() })
    }

    fn contents(&self) -> String {
        format!("{} files, {} lines, {} words", self.library.files(), self.lines, self.index.words())
    }
}

/// The error that `lines` turns into an untyped one: it keeps its source.
#[derive(Debug)]
struct Uncounted {
    path: String,
    source: io::Error,
}

impl fmt::Display for Uncounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot count the lines of {}", self.path)
    }
}

impl Error for Uncounted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

impl Search for Librarian {
    async fn catalogue(&self) -> Vec<Entry> {
        self.library.catalogue()
    }

    async fn find(&self, word: &str) -> Result<Vec<Hit>, TooShort> {
        if word.chars().count() < LEAST_LETTERS {
            return Err(TooShort { word: word.to_owned(), least: LEAST_LETTERS });
        }
        Ok(self.index.hits(word))
    }

    async fn nth(&self, word: &str, n: usize) -> Hit {
        self.index.hits(word)[n].clone()
    }

    fn lines(&self, path: &str) -> mux::Result<usize> {
        if !self.library.has(path) {
            return Err(Failure::msg(format!("{path} is not in the catalogue")));
        }
        let text = fs::read_to_string(path).map_err(|source| Uncounted { path: path.to_owned(), source })?;
        Ok(text.lines().count())
    }

    async fn scan(&self, text: &str, over: Duration, cx: &Context) -> Vec<Hit> {
        let mut reading = self.diary.begin(cx);
        let (pace, mut hits) = (Pace::new(over, self.lines), Vec::new());
        for (read, (path, line, words)) in self.library.lines().enumerate() {
            // Where nobody waits any more, the handler is dropped here.
            if let Some(early) = pace.early(read) {
                tokio::time::sleep(early).await;
            }
            note_hit(&mut hits, text, path, line, words);
        }
        reading.done = true;
        hits
    }

    fn sift(&self, text: &str, over: Duration, cx: &Context) -> Vec<Hit> {
        let mut reading = self.diary.begin(cx);
        let (pace, mut hits) = (Pace::new(over, self.lines), Vec::new());
        for (read, (path, line, words)) in self.library.lines().enumerate() {
            if let Some(early) = pace.early(read) {
                thread::sleep(early);
            }
            // Nothing stops a thread from outside.
            if cx.is_cancelled() {
                return Vec::new();
            }
            note_hit(&mut hits, text, path, line, words);
        }
        reading.done = true;
        hits
    }

    async fn note(&self, _line: &str, cx: &Context) {
        self.diary.of(cx, |tally| tally.notes += 1);
    }

    async fn tally(&self, cx: &Context) -> Tally {
        self.diary.of(cx, |tally| tally.clone())
    }
}

fn note_hit(hits: &mut Vec<Hit>, text: &str, path: &str, line: usize, words: &str) {
    if hits.len() < MOST_HITS && words.contains(text) {
        hits.push(Hit { path: path.to_owned(), line });
    }
}

/// Spreads the reading of so many lines over some time.
struct Pace {
    begun: Instant,
    over: Duration,
    lines: usize,
}

impl Pace {
    /// Sleeps shorter than this are not worth it.
    const STEP: Duration = Duration::from_millis(5);

    fn new(over: Duration, lines: usize) -> Pace {
        Pace { begun: Instant::now(), over, lines }
    }

    /// How much too early it is for the line after so many.
    fn early(&self, read: usize) -> Option<Duration> {
        let due = self.over.mul_f64((read + 1) as f64 / self.lines as f64);
        due.checked_sub(self.begun.elapsed()).filter(|early| *early >= Pace::STEP)
    }
}

/// What was done for each visitor.
#[derive(Default)]
struct Diary {
    tallies: Mutex<HashMap<String, Tally>>,
}

impl Diary {
    fn of<R>(&self, cx: &Context, change: impl FnOnce(&mut Tally) -> R) -> R {
        self.named(visitor(cx), change)
    }

    fn named<R>(&self, visitor: String, change: impl FnOnce(&mut Tally) -> R) -> R {
        change(self.lock().entry(visitor).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, cx: &Context) -> Reading<'_> {
        self.of(cx, |tally| tally.going += 1);
        Reading { diary: self, visitor: visitor(cx), done: false }
    }
}

fn visitor(cx: &Context) -> String {
    cx.meta("visitor").unwrap_or_default()
}

/// A scan or sift that goes on. Its drop tells the diary how it ended.
struct Reading<'a> {
    diary: &'a Diary,
    visitor: String,
    done: bool,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let stopped = usize::from(!self.done);
        self.diary.named(std::mem::take(&mut self.visitor), |tally| {
            tally.going -= 1;
            tally.stopped += stopped;
        });
    }
}
