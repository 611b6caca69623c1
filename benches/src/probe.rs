//! A number that the server tells of its own process, over a socket beside the one that is measured.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::{env, fs, thread};

use crate::Result;
use crate::address::Address;
use crate::asking::retry_blocking;

/// The asking end.
pub struct Probe(UnixStream);

impl Probe {
    pub fn at(address: &Address) -> Result<Self> {
        let path = path(address);
        let stream = retry_blocking(|| Ok(UnixStream::connect(&path)?))?;
        // Nobody else connects.
        fs::remove_file(path)?;
        Ok(Self(stream))
    }

    pub fn read(&mut self) -> Result<i64> {
        self.0.write_all(&[0])?;
        let mut bytes = [0; 8];
        self.0.read_exact(&mut bytes)?;
        Ok(i64::from_be_bytes(bytes))
    }
}

/// Answers each byte with the number there is then, on a thread of its own, for the one client that comes.
pub fn offer(address: &Address, number: fn() -> Result<i64>) -> Result<()> {
    let listener = UnixListener::bind(path(address))?;
    thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut question = [0];
        while stream.read_exact(&mut question).is_ok() {
            stream.write_all(&number()?.to_be_bytes())?;
        }
        Ok(())
    });
    Ok(())
}

fn path(address: &Address) -> PathBuf {
    match address {
        Address::Unix(path) => path.with_extension("probe"),
        Address::Tcp(address) => env::temp_dir().join(format!("mux-bench-{}.probe", address.port())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Transport;

    #[test]
    fn a_probe_reads_the_number_as_it_is_at_each_reading() {
        use std::sync::atomic::{AtomicI64, Ordering};
        static NUMBER: AtomicI64 = AtomicI64::new(-7);
        let address = Address::fresh(Transport::Tcp, 0).unwrap();
        offer(&address, || Ok(NUMBER.fetch_add(1, Ordering::Relaxed))).unwrap();
        let mut probe = Probe::at(&address).unwrap();
        assert_eq!([probe.read().unwrap(), probe.read().unwrap()], [-7, -6]);
    }
}
