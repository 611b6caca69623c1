//! Large bodies: a service that echoes blobs and answers pings, for the comparisons that ask it.

pub mod blob;
pub mod by_hand;
pub mod mux;
pub mod remoc;
pub mod tarpc;
pub mod tonic;

use std::fmt::{self, Display};
use std::str::FromStr;

use bytes::Bytes;

use crate::arguments::{list, parse};
use crate::comparison::Level;
use crate::{Error, Result};

/// The largest message that every peer is told to let pass.
pub const LARGEST: usize = 32 << 20;

pub trait Bulk: Clone + Send + Sync + 'static {
    /// Brings the blob back.
    fn blob(&self, blob: Bytes) -> impl Future<Output = Result<Bytes>> + Send;

    /// Brings the number back.
    fn ping(&self, number: u64) -> impl Future<Output = Result<u64>> + Send;
}

/// A number of tasks on one client, each having one blob after another echoed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blobs {
    pub in_flight: u64,
    pub mib: u64,
}

impl Blobs {
    pub fn bytes(self) -> usize {
        (self.mib << 20) as usize
    }

    /// Sends a blob that no other number has, and looks whether it came back.
    pub async fn echo(self, client: &impl Bulk, number: u64) -> Result<()> {
        let answer = client.blob(blob::numbered(self.bytes(), number)).await?;
        if blob::is_numbered(&answer, self.bytes(), number) {
            Ok(())
        } else {
            Err(format!("blob {number:#x} came back as another").into())
        }
    }
}

impl Level for Blobs {
    const OPTIONS: &'static [&'static str] = &["--in-flight", "--blob-mib"];

    fn set(levels: &mut Vec<Self>, option: &str, value: &str) -> Result<()> {
        if option == "--blob-mib" {
            let mib = mebibytes(value)?;
            levels.iter_mut().for_each(|level| level.mib = mib);
        } else {
            let mib = levels.first().ok_or("no level to replace")?.mib;
            *levels = list(value, option)?.into_iter().map(|in_flight| Self { in_flight, mib }).collect();
        }
        Ok(())
    }

    fn in_flight(self) -> u64 {
        self.in_flight
    }
}

fn mebibytes(text: &str) -> Result<u64> {
    // What is around a blob needs room as well.
    let most = (LARGEST as u64 >> 20) - 1;
    match parse(text, "--blob-mib")? {
        mib if (1..=most).contains(&mib) => Ok(mib),
        mib => Err(format!("blobs of {mib} MiB: 1 to {most} MiB are let pass").into()),
    }
}

impl Display for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.in_flight, self.mib)
    }
}

impl FromStr for Blobs {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (in_flight, mib) = text.split_once('x').ok_or("not of the form IN-FLIGHTxMIB")?;
        Ok(Self { in_flight: parse(in_flight, "IN-FLIGHT")?, mib: mebibytes(mib)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_change_one_thing_each() {
        let mut levels = vec![Blobs { in_flight: 1, mib: 1 }];
        Blobs::set(&mut levels, "--blob-mib", "16").unwrap();
        Blobs::set(&mut levels, "--in-flight", "0,4").unwrap();
        assert_eq!(levels, [Blobs { in_flight: 0, mib: 16 }, Blobs { in_flight: 4, mib: 16 }]);
        assert!(Blobs::set(&mut levels, "--blob-mib", "32").is_err());
    }

    #[test]
    fn a_level_survives_the_command_line() {
        let level = Blobs { in_flight: 4, mib: 16 };
        assert_eq!(level.to_string().parse::<Blobs>().unwrap(), level);
    }
}
