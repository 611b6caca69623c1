//! A visitor process: asks from many tasks and threads at once, and compares.
//!
//! It serves too: over its standard input and output it takes one errand, and reports.

use crate::Outcome;
use crate::library::{Library, has_word, words};
use crate::probes::{Finding, Probes};
use crate::report::Report;
use crate::search::{Hit, LEAST_LETTERS, MOST_HITS, SearchClient, TooShort};
use mux::{Connection, Error};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use tokio::task::{JoinSet, spawn_blocking};

pub(crate) const TASKS: usize = 64;
pub(crate) const THREADS: usize = 16;

/// Calls that each task and each thread makes, one after another.
const CALLS_EACH: usize = 50;

/// Calls that are under way at once, besides.
const BURST: usize = 400;

/// Different questions, and lines that a folder must have to bring forth as many.
const QUESTIONS: usize = 90;
const LEAST_LINES: usize = 100;

#[mux::service]
pub(crate) trait Visitor {
    async fn visit(&self, errand: Errand) -> mux::Result<Visit>;
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Errand {
    pub name: String,
    pub address: String,
    pub folder: String,
    pub vanished: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Visit {
    pub report: Report,
    pub findings: Vec<Finding>,
    /// Files that were compared.
    pub files: usize,
    /// Files that the server had read otherwise, or not at all: they were left out.
    pub differing: usize,
}

pub(crate) async fn serve() -> Outcome {
    let stage = Connection::builder().service(VisitorServer::new(Guest)).accept(mux::stdio()?);
    stage.closed().await;
    Ok(())
}

struct Guest;

impl Visitor for Guest {
    async fn visit(&self, errand: Errand) -> mux::Result<Visit> {
        Ok(visit(errand).await?)
    }
}

async fn visit(errand: Errand) -> Outcome<Visit> {
    let search = SearchClient::connect(&errand.address).await?;
    let mut library = Library::read(&[&errand.folder])?;
    let read = library.files();
    library.keep_only(&search.catalogue().await?);
    let (files, differing) = (library.files(), read - library.files());

    let quiz = Arc::new(Quiz::new(library, &errand.name)?);
    let word = quiz.word().to_owned();
    let probes = Probes { search: &search, visitor: &errand.name, vanished: &errand.vanished, word: &word };
    let (findings, tasks, threads, burst) = tokio::join!(
        probes.run(),
        ask_from_tasks(&search, &quiz),
        ask_from_threads(&errand.address, &quiz),
        ask_at_once(&search, &quiz),
    );

    let mut report = Report::default();
    [tasks?, threads?, burst].into_iter().for_each(|part| report.add(part));
    let findings = findings?;
    findings.iter().for_each(|finding| report.count(&finding.kind, finding.calls));
    Ok(Visit { report, findings, files, differing })
}

/// What to ask, and what must come of it.
struct Quiz {
    library: Library,
    questions: Vec<Question>,
}

struct Question {
    word: String,
    answer: Result<Vec<Hit>, TooShort>,
}

impl Quiz {
    /// Picks words from all over the library, others for each visitor.
    fn new(library: Library, visitor: &str) -> Outcome<Quiz> {
        let lines: Vec<&str> =
            library.lines().map(|(_, _, line)| line).filter(|line| !line.is_empty()).collect();
        if lines.len() < LEAST_LINES {
            return Err(format!("{} lines are too few: {LEAST_LINES} or more are needed", lines.len()).into());
        }
        let start = visitor.bytes().map(usize::from).sum::<usize>();
        let picked = (0..QUESTIONS).map(|n| lines[(start + n * lines.len() / QUESTIONS) % lines.len()]);
        let picked = picked.filter_map(|line| words(line).last());
        let others = ["x", "", "ß", "no_such_word_anywhere", "two words", "fn", "the"];
        let questions = picked.chain(others).map(|word| Question::new(&library, word)).collect();
        Ok(Quiz { library, questions })
    }

    fn word(&self) -> &str {
        &self.questions[0].word
    }

    /// One caller's questions differ from its neighbours'.
    fn questions_of(&self, caller: usize, calls: usize) -> impl Iterator<Item = &Question> {
        (0..calls).map(move |call| &self.questions[(caller * 7 + call * 13) % self.questions.len()])
    }

    fn judge(&self, question: &Question, answer: Answer, begun: Instant, report: &mut Report) {
        match (&question.answer, answer) {
            (Ok(expected), Ok(hits)) if self.agrees(expected, &hits) => {
                report.right("answered", begun.elapsed())
            }
            (Err(expected), Err(Error::App(short))) if short == *expected => {
                report.right("typed", begun.elapsed())
            }
            (expected, answer) => {
                report.wrong(format!("{:?}: {}", question.word, difference(expected, &answer)))
            }
        }
    }

    /// The server also knows files which are left out here; so many of its hits may be in these that
    /// some of ours had no room.
    fn agrees(&self, expected: &[Hit], hits: &[Hit]) -> bool {
        let common: Vec<&Hit> = hits.iter().filter(|hit| self.library.has(&hit.path)).collect();
        let whole = hits.len() < MOST_HITS || common.len() == hits.len();
        let expected = if whole { expected } else { &expected[..common.len().min(expected.len())] };
        common.into_iter().eq(expected)
    }
}

type Answer = Result<Vec<Hit>, Error<TooShort>>;

impl Question {
    fn new(library: &Library, word: &str) -> Question {
        let long_enough = word.chars().count() >= LEAST_LETTERS;
        // An index has words only; a scan finds "two words" just as well.
        let is_word = words(word).eq([word]);
        let answer = match long_enough {
            true => Ok(library.hits(|line| is_word && has_word(line, word))),
            false => Err(TooShort { word: word.to_owned(), least: LEAST_LETTERS }),
        };
        Question { word: word.to_owned(), answer }
    }
}

fn difference(expected: &Result<Vec<Hit>, TooShort>, answer: &Answer) -> String {
    match (expected, answer) {
        (Ok(expected), Ok(hits)) => {
            let same = expected.iter().zip(hits).take_while(|(one, other)| one == other).count();
            format!("hit {same} is {:?}, not {:?}", hits.get(same), expected.get(same))
        }
        (Ok(expected), Err(error)) => format!("{error}, not {} hits", expected.len()),
        (Err(short), Ok(hits)) => format!("{} hits, not the error that {short}", hits.len()),
        (Err(short), Err(error)) => format!("{error}, not the error that {short}"),
    }
}

async fn ask_from_tasks(search: &SearchClient, quiz: &Arc<Quiz>) -> Outcome<Report> {
    let mut tasks = JoinSet::new();
    for caller in 0..TASKS {
        let (search, quiz) = (search.clone(), Arc::clone(quiz));
        tasks.spawn(async move {
            let mut report = Report::default();
            for question in quiz.questions_of(caller, CALLS_EACH) {
                let begun = Instant::now();
                let answer = search.find(&question.word).await;
                quiz.judge(question, answer, begun, &mut report);
            }
            report
        });
    }
    let mut report = Report::default();
    while let Some(part) = tasks.join_next().await {
        report.add(part?);
    }
    Ok(report)
}

/// Plain threads: each has a connection of its own, and knows nothing of async.
async fn ask_from_threads(address: &str, quiz: &Arc<Quiz>) -> Outcome<Report> {
    let threads = (TASKS..TASKS + THREADS).map(|caller| {
        let (address, quiz) = (address.to_owned(), Arc::clone(quiz));
        thread::Builder::new().spawn(move || ask_from_thread(caller, &address, &quiz))
    });
    let threads = threads.collect::<Result<Vec<_>, _>>()?;
    spawn_blocking(move || {
        let mut report = Report::default();
        for thread in threads {
            report.add(thread.join().map_err(|_| "a thread panicked")??);
        }
        Ok(report)
    })
    .await?
}

fn ask_from_thread(caller: usize, address: &str, quiz: &Quiz) -> Outcome<Report> {
    let search = SearchClient::connect_blocking(address)?;
    let mut report = Report::default();
    for question in quiz.questions_of(caller, CALLS_EACH) {
        let begun = Instant::now();
        let answer = search.find(&question.word).wait();
        quiz.judge(question, answer, begun, &mut report);
    }
    Ok(report)
}

/// Sends all before it waits for any, and then for the last one first.
async fn ask_at_once(search: &SearchClient, quiz: &Quiz) -> Report {
    let begun = Instant::now();
    let calls: Vec<_> = quiz
        .questions_of(TASKS + THREADS, BURST)
        .map(|question| (question, search.find(&question.word).start()))
        .collect();
    let mut report = Report::default();
    for (question, call) in calls.into_iter().rev() {
        quiz.judge(question, call.await, begun, &mut report);
    }
    report
}
