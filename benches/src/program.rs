//! The programs that cells are measured with: this one, and its twin that counts its heap.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::Result;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Program {
    Plain,
    Counting,
}

impl Program {
    pub fn path(self) -> Result<PathBuf> {
        let plain = env::current_exe()?;
        Ok(match self {
            Self::Plain => plain,
            Self::Counting => plain.with_file_name("mux-bench-heap"),
        })
    }
}

/// `cargo run` builds only the program that it runs.
pub fn build_counting() -> Result<()> {
    let (plain, counting) = (Program::Plain.path()?, Program::Counting.path()?);
    if modified(&counting) >= modified(&plain) {
        return Ok(());
    }
    eprintln!("building mux-bench-heap, which is this program with its heap counted");
    let status = building(&plain)?.status()?;
    if status.success() { Ok(()) } else { Err(format!("it was not built: {status}").into()) }
}

/// None, which is less than any time, if there is no such file.
fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

/// In the profile and for the directory in which this program was built: `TARGET/PROFILE/mux-bench`.
fn building(plain: &Path) -> Result<Command> {
    let mut above = plain.ancestors().skip(1);
    let (profile, target) = above.next().zip(above.next()).ok_or("this program lies in no directory")?;
    let profile = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(profile) => profile,
        None => return Err("this program lies in no profile's directory".into()),
    };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--bin", "mux-bench-heap", "--profile", profile])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "--target-dir"])
        .arg(target)
        .stdout(Stdio::null());
    Ok(cargo)
}
