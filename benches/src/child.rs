//! A copy of this program as a process of its own, which ends with its handle, and with its parent.

use std::io::{self, Read};
use std::process::{self, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::Result;
use crate::program::Program;

pub struct Child(process::Child);

impl Child {
    pub fn start(program: Program, arguments: &[String]) -> Result<Self> {
        let child = Command::new(program.path()?)
            .args(arguments)
            // Never written to; its end tells the child that its parent is gone.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    /// What it printed, once it has ended well; otherwise that is the error.
    pub fn output_within(mut self, limit: Duration) -> Result<String> {
        let mut stdout = self.0.stdout.take().ok_or("the output was taken already")?;
        let (done, printed) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let outcome = stdout.read_to_string(&mut text).map(|_| text);
            // Nobody listens once the limit has passed.
            let _ = done.send(outcome);
        });
        let text = printed.recv_timeout(limit).map_err(|_| format!("no result within {limit:?}"))??;
        let status = self.0.wait()?;
        if status.success() { Ok(text) } else { Err(format!("{} ({status})", text.trim()).into()) }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends this process when its parent closes our standard input, which it does at the latest when it dies.
pub fn end_with_parent() {
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(1);
    });
}
