//! The answering process.

use tokio::runtime::{Builder, Runtime};

use crate::Result;
use crate::address::Address;
use crate::peers::{Job, Peer};

pub struct Serving {
    pub address: Address,
}

impl Job for Serving {
    type Output = Result<()>;

    fn run<P: Peer>(self) -> Result<()> {
        let runtime = one_worker()?;
        let listening = runtime.spawn(P::listen(self.address));
        runtime.block_on(listening)?
    }
}

/// The runtime of both ends: everything happens on its one worker thread, as long as it is spawned.
pub fn one_worker() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}
