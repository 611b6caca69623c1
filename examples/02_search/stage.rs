//! Starts the processes, prints what they report, and sees them out.

use crate::Outcome;
use crate::probes::Finding;
use crate::report::Report;
use crate::search::SearchClient;
use crate::visitor::{Errand, TASKS, THREADS, Visit, VisitorClient};
use mux::Connection;
use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{self, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::ctrl_c;
use tokio::time::timeout;

const VISITORS: usize = 3;

/// For everything. A guard against waiting for ever, not a measure.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the call takes that is under way when the server is told to stop.
const LAST_SCAN: Duration = Duration::from_millis(500);

/// Whatever becomes of it, no process and no file is left: a `Child` here is killed when dropped.
pub(crate) async fn play(folder: &str) -> Outcome {
    let begun = Instant::now();
    println!("search below {folder}");
    let mut report = tokio::select! {
        report = timeout(PATIENCE, perform(folder)) => report.map_err(|_| "it took too long")??,
        _ = ctrl_c() => return Err("interrupted".into()),
    };
    println!();
    println!("{} calls in {:.1?}: {}", report.calls(), begun.elapsed(), report.kinds());
    println!("latency  {}", report.latencies());
    println!("every caller got its own right answer");
    Ok(())
}

async fn perform(folder: &str) -> Outcome<Report> {
    let scratch = Scratch::new()?;
    let vanished = scratch.path("shelf/vanishing.txt");
    fs::create_dir(scratch.path("shelf"))?;
    fs::write(&vanished, "here today\ngone tomorrow\n")?;
    let server = SearchProcess::start(&scratch, folder).await?;
    fs::remove_file(&vanished)?;

    let errand = |number| Errand {
        name: format!("visitor {number}"),
        address: server.address.clone(),
        folder: folder.to_owned(),
        vanished: vanished.display().to_string(),
    };
    let (one, two, three) = tokio::try_join!(send(errand(1)), send(errand(2)), send(errand(3)))?;
    let report = summarise([one, two, three])?;
    server.finish(&scratch).await?;
    Ok(report)
}

/// A folder of our own, for as long as it is held.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Outcome<Scratch> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let folder = env::temp_dir().join(format!("mux-search-{}-{}", process::id(), now.as_nanos()));
        // Nobody else is to plant a socket there.
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Scratch(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is the temporary folder's to keep.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// This program again, in another role.
fn this_program(role: &str) -> Outcome<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(role).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}

fn expect_success(who: &str, status: ExitStatus) -> Outcome {
    if status.success() { Ok(()) } else { Err(format!("{who} ended with {status}").into()) }
}

struct SearchProcess {
    child: Child,
    /// The server stops when this ends.
    input: ChildStdin,
    address: String,
}

impl SearchProcess {
    async fn start(scratch: &Scratch, folder: &str) -> Outcome<SearchProcess> {
        let begun = Instant::now();
        let address = format!("unix:{}", scratch.path("socket").display());
        let mut command = this_program("--serve")?;
        // The shelf first: the server reads so much and no more.
        let mut child = command.arg(&address).arg(scratch.path("shelf")).arg(folder).spawn()?;
        let input = child.stdin.take().ok_or("the server has no standard input")?;
        let output = child.stdout.take().ok_or("the server has no standard output")?;
        let contents = BufReader::new(output).lines().next_line().await?;
        let contents = contents.ok_or("the server ended before it could be called")?;
        println!("server     {contents}; ready after {:.1?}", begun.elapsed());
        Ok(SearchProcess { child, input, address })
    }

    /// Tells it to stop while a call is under way: that one is answered, a later one refused.
    async fn finish(self, scratch: &Scratch) -> Outcome {
        let SearchProcess { mut child, input, address } = self;
        let search = SearchClient::connect(&address).await?;
        let last = search.scan("e", LAST_SCAN).start();
        // Its answer shows that the scan, sent before it, has arrived.
        search.find("ping").await?;
        drop(input);
        let hits = last.await?;
        println!("drained    told to stop during a scan; it was answered, with {} hits", hits.len());
        match search.find("pong").await {
            Err(error) if error.did_not_run() => println!("refused    the next call: {error}"),
            other => return Err(format!("a call of a server that has stopped brought {other:?}").into()),
        }
        let status = child.wait().await?;
        println!("server     {status}");
        expect_success("the server", status)?;
        expect_gone(&scratch.path("socket"))
    }
}

fn expect_gone(socket: &Path) -> Outcome {
    if socket.exists() { Err(format!("the server left {}", socket.display()).into()) } else { Ok(()) }
}

/// Sends a visitor on its errand. It reports by a typed call too, over its standard input and output.
async fn send(errand: Errand) -> Outcome<Visit> {
    let name = errand.name.clone();
    let mut child = this_program("--visit")?.spawn()?;
    let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
        return Err("a visitor has no standard input or output".into());
    };
    let connection = Connection::builder().open(tokio::io::join(output, input));
    let visitor: VisitorClient = connection.client();
    let visit = visitor.visit(errand).await.map_err(|error| format!("{name}: {error}"))?;
    connection.close();
    expect_success(&name, child.wait().await?)?;
    println!(
        "{name}  {} calls from {TASKS} tasks and {THREADS} threads on {} connections; compared {} files{}",
        visit.report.calls(),
        THREADS + 1,
        visit.files,
        if visit.differing > 0 {
            format!(", left out {} that differ", visit.differing)
        } else {
            String::new()
        },
    );
    Ok(visit)
}

fn summarise(visits: [Visit; VISITORS]) -> Outcome<Report> {
    println!();
    println!("what each visitor saw while it asked, such as:");
    for Finding { kind, seen, .. } in &visits[0].findings {
        println!("  {kind:<10} {}", seen.replace('\n', "\n             "));
    }
    println!();
    let mut report = Report::default();
    visits.into_iter().for_each(|visit| report.add(visit.report));
    match report.complaint() {
        Some(complaint) => Err(complaint.into()),
        None => Ok(report),
    }
}
