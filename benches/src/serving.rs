//! The answering process.

use tokio::runtime::{Builder, Runtime};

use crate::Result;
use crate::address::Address;
use crate::peer::Peer;

/// Answers until the process is ended.
pub fn serve<P: Peer>(address: Address) -> Result<()> {
    let runtime = one_worker()?;
    runtime.block_on(runtime.spawn(P::listen(address)))?
}

/// The runtime of both ends: everything happens on its one worker thread, as long as it is spawned.
pub fn one_worker() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}
