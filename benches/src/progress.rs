//! How far a run has come, on stderr: a bar on a terminal, lines elsewhere.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::{Error, Result};

pub struct Progress {
    /// As long as the run is estimated to take, in milliseconds.
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn over(estimate: Duration) -> Result<Self> {
        if !io::stderr().is_terminal() {
            return Ok(Self { bar: None });
        }
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %, {eta} left; {wide_msg}")?;
        Ok(Self { bar: Some(ProgressBar::new(millis(estimate)).with_style(style)) })
    }

    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    pub fn begin(&self, place: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(place.to_owned());
        }
    }

    /// The bar shows only what failed: it has no room for more.
    pub fn end(&self, place: &str, outcome: Result<String, &Error>, estimate: Duration) {
        if let Some(bar) = &self.bar {
            bar.inc(millis(estimate));
        }
        match outcome {
            Ok(told) if self.bar.is_none() => self.say(&format!("{place} {told}")),
            Ok(_) => {}
            Err(error) => self.say(&format!("{place} failed: {error}")),
        }
    }

    pub fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}
