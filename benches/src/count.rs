//! An exact number of calls within one process and one thread, for tools that count instructions.

use std::time::Duration;

use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Result;
use crate::asking::call;
use crate::peers::{Job, Peer};

pub struct Count {
    pub calls: u64,
}

const IN_FLIGHT: u64 = 64;

/// Ample for a million calls, even under callgrind, where a call takes fifty times as long.
const LIMIT: Duration = Duration::from_secs(600);

impl Job for Count {
    type Output = Result<()>;

    fn run<P: Peer>(self) -> Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { timeout(LIMIT, make_calls::<P>(self.calls)).await? })
    }
}

async fn make_calls<P: Peer>(calls: u64) -> Result<()> {
    let (asking, answering) = UnixStream::pair()?;
    tokio::spawn(P::answer(answering));
    let caller = P::open(asking).await?;
    let mut tasks = JoinSet::new();
    for task in 0..IN_FLIGHT {
        let caller = caller.clone();
        tasks.spawn(async move {
            for id in (task..calls).step_by(IN_FLIGHT as usize) {
                call::<P>(&caller, id).await?;
            }
            Result::Ok(())
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::PeerName;

    #[test]
    fn every_peer_echoes() {
        for &peer in PeerName::ALL {
            peer.run(Count { calls: 1_000 }).unwrap();
        }
    }
}
