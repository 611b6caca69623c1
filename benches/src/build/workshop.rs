//! A crate in a directory, and what cargo is asked to do with it.

use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::fixture::{Edit, Fixture, Size};
use super::time::{Stopwatch, Time};
use crate::Result;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Profile {
    Check,
    Debug,
    Release,
}

impl Profile {
    pub const ALL: [Self; 3] = [Self::Check, Self::Debug, Self::Release];

    fn command(self) -> &'static [&'static str] {
        match self {
            Self::Check => &["check"],
            Self::Debug => &["build"],
            Self::Release => &["build", "--release"],
        }
    }

    fn flags(self) -> &'static [&'static str] {
        if self == Self::Release { &["--release"] } else { &[] }
    }
}

impl Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Check => "check",
            Self::Debug => "debug",
            Self::Release => "release",
        })
    }
}

pub struct Workshop {
    pub fixture: Fixture,
    directory: PathBuf,
    /// Kept, so that dependencies are built once.
    target: PathBuf,
}

impl Workshop {
    pub fn open(fixture: Fixture, within: &Path) -> Result<Self> {
        let directory = within.join(fixture.name());
        let target = within.join(format!("{}-target", fixture.name()));
        let workshop = Self { fixture, directory, target };
        workshop.write()?;
        Ok(workshop)
    }

    /// The same place; what is written there next is of this size.
    pub fn of_size(&self, size: Size) -> Self {
        let fixture = Fixture { size, ..self.fixture };
        Self { fixture, directory: self.directory.clone(), target: self.target.clone() }
    }

    pub fn write(&self) -> Result<()> {
        self.fixture.write(&self.directory)
    }

    pub fn edit(&self, edit: Edit) -> Result<()> {
        self.fixture.edit(&self.directory, edit)
    }

    /// Builds the dependencies.
    pub fn warm_up(&self, profile: Profile) -> Result<()> {
        eprintln!("building {} and what it depends on: {profile}", self.fixture.framework);
        self.cargo(profile.command(), &[]).map(drop)
    }

    /// Leaves nothing but the dependencies.
    pub fn clean(&self, profile: Profile, edit: Edit) -> Result<()> {
        let name = self.fixture.name();
        self.edit(edit)?;
        self.cargo(&["clean", "-p", &name], profile.flags()).map(drop)
    }

    pub fn build(&self, profile: Profile) -> Result<Time> {
        let watch = Stopwatch::start()?;
        self.cargo(profile.command(), &[])?;
        watch.stop()
    }

    /// The crate as the compiler sees it when all macros are done.
    pub fn expansion(&self) -> Result<String> {
        // There is no other way to see it on a stable compiler; nothing that is timed is built so.
        let mut command = self.command(&["rustc"], &["--", "-Zunpretty=expanded"]);
        Ok(String::from_utf8(run(command.env("RUSTC_BOOTSTRAP", "1"))?.stdout)?)
    }

    /// What is handed to LLVM without optimisation, as `cargo llvm-lines` counts it.
    pub fn intermediate(&self) -> Result<String> {
        self.cargo(&["clean", "-p", &self.fixture.name()], &[])?;
        self.cargo(&["rustc"], &["--", "--emit=llvm-ir", "-Ccodegen-units=1", "-Cdebuginfo=0"])?;
        self.artifact("ll")
    }

    fn artifact(&self, extension: &str) -> Result<String> {
        let crate_name = self.fixture.name().replace('-', "_");
        let ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&crate_name) && path.extension().is_some_and(|found| found == extension)
        };
        let entries = fs::read_dir(self.target.join("debug/deps"))?;
        let mut found = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(ours);
        let path = found.next().ok_or_else(|| format!("no .{extension} was made"))?;
        Ok(fs::read_to_string(path)?)
    }

    /// The bytes of the program, with nothing in it for people.
    pub fn stripped(&self) -> Result<u64> {
        self.cargo(&["rustc", "--release"], &["--", "-Cstrip=symbols"])?;
        Ok(fs::metadata(self.target.join("release").join(self.fixture.name()))?.len())
    }

    /// How many crates it needs beside itself, those that make macros included.
    pub fn crates(&self) -> Result<usize> {
        let output = self.cargo(&["tree", "--prefix=none", "--edges=normal,build"], &[])?;
        let text = String::from_utf8(output.stdout)?;
        let mut names: Vec<_> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names.iter().filter(|name| !name.is_empty()).count().saturating_sub(1))
    }

    fn cargo(&self, command: &[&str], more: &[&str]) -> Result<Output> {
        run(&mut self.command(command, more))
    }

    fn command(&self, command: &[&str], more: &[&str]) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.directory).env("CARGO_TARGET_DIR", &self.target);
        cargo.args(command).args(more).stdin(Stdio::null());
        cargo
    }
}

fn run(command: &mut Command) -> Result<Output> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr)).into())
}
