//! The answering process.

use tokio::runtime::{Builder, Runtime};

use crate::Result;
use crate::address::Address;
use crate::comparison::Comparison;
use crate::peer::Peer;

/// Answers until the process is ended.
pub fn serve<C: Comparison, P: Peer>(address: Address, level: C::Level) -> Result<()> {
    let runtime = workers(C::serving_workers(level))?;
    runtime.block_on(runtime.spawn(P::listen(address)))?
}

/// Everything happens on worker threads, as long as it is spawned.
pub fn workers(count: usize) -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(count).enable_all().build()?)
}
