//! The live bytes of both processes' heaps. The server tells its own over a socket beside the one that is measured.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::{env, fs, thread};

use super::Sample;
use crate::address::Address;
use crate::asking::retry_blocking;
use crate::{Result, heap};

pub struct Scales(UnixStream);

#[derive(Clone, Copy)]
pub struct Reading {
    asking: i64,
    answering: i64,
}

impl Scales {
    pub fn at(address: &Address) -> Result<Self> {
        let path = path(address);
        let stream = retry_blocking(|| Ok(UnixStream::connect(&path)?))?;
        // Nobody else connects.
        fs::remove_file(path)?;
        Ok(Self(stream))
    }

    pub fn read(&mut self) -> Result<Reading> {
        self.0.write_all(&[0])?;
        let mut bytes = [0; 8];
        self.0.read_exact(&mut bytes)?;
        Ok(Reading { asking: heap::live()?, answering: i64::from_be_bytes(bytes) })
    }
}

impl Reading {
    pub fn since(self, before: Self, many: u64) -> Sample {
        let each = |after: i64, before: i64| (after - before) as f64 / many as f64;
        Sample { asking: each(self.asking, before.asking), answering: each(self.answering, before.answering) }
    }
}

/// Answers each byte with the live bytes there are, on a thread of its own, for the one client that comes.
pub fn offer(address: &Address) -> Result<()> {
    let listener = UnixListener::bind(path(address))?;
    thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut question = [0];
        while stream.read_exact(&mut question).is_ok() {
            stream.write_all(&heap::live()?.to_be_bytes())?;
        }
        Ok(())
    });
    Ok(())
}

fn path(address: &Address) -> PathBuf {
    match address {
        Address::Unix(path) => path.with_extension("scales"),
        Address::Tcp(address) => env::temp_dir().join(format!("mux-bench-{}.scales", address.port())),
    }
}
