//! Where and when a run was made.

use std::fs;
use std::thread;
use std::time::SystemTime;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Machine {
    pub processor: String,
    pub processors: usize,
    pub kernel: String,
    pub rustc: &'static str,
    pub profile: &'static str,
    /// When the run began.
    pub date: String,
    /// How many were at work or waiting for a processor in the minute before.
    pub load: String,
}

impl Machine {
    pub fn of_now() -> Self {
        Self {
            processor: processor().unwrap_or_else(|| "unknown".to_owned()),
            processors: thread::available_parallelism().map_or(1, |count| count.get()),
            kernel: line("/proc/sys/kernel/osrelease").unwrap_or_else(|| std::env::consts::OS.to_owned()),
            rustc: env!("RUSTC_VERSION"),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            load: line("/proc/loadavg")
                .and_then(|line| line.split(' ').next().map(str::to_owned))
                .unwrap_or_default(),
        }
    }

    pub fn described(&self) -> String {
        let Self { processor, processors, kernel, rustc, profile, date, load } = self;
        format!(
            "{date}: {processor}, {processors} processors, load {load} before; kernel {kernel}; {rustc}, {profile}"
        )
    }
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn line(file: &str) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}
