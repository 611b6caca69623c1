//! An exact number of turns within one process and one thread, for tools that count instructions.

use std::time::Duration;

use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::asking::Asks;
use crate::comparison::{Comparison, Level};
use crate::peer::Peer;
use crate::{Error, Result};

/// Ample for a million calls, even under callgrind, where a call takes fifty times as long.
const LIMIT: Duration = Duration::from_secs(600);

pub fn count<C: Comparison, P: Peer<Client: Asks<C>>>(level: C::Level, turns: u64) -> Result<()> {
    let mut runtime = Builder::new_current_thread();
    #[cfg(feature = "count")]
    runtime.start_paused(true);
    runtime.enable_all().build()?.block_on(async { timeout(LIMIT, take_turns::<C, P>(level, turns)).await? })
}

async fn take_turns<C: Comparison, P: Peer<Client: Asks<C>>>(level: C::Level, turns: u64) -> Result<()> {
    let (asking, answering) = UnixStream::pair()?;
    tokio::spawn(P::answer(answering));
    let client = P::open(asking).await?;
    let mut tasks = JoinSet::new();
    let in_flight = level.in_flight();
    for task in 0..in_flight {
        let client = client.clone();
        tasks.spawn(async move {
            for number in (task..turns).step_by(in_flight as usize) {
                client.turn(level, number).await?;
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    Ok(())
}

/// For the comparisons' tests.
#[cfg(test)]
pub fn every_peer_answers<C: Comparison>(level: C::Level, turns: u64) {
    for peer in C::PEERS {
        if let Err(error) = (peer.count)(level, turns) {
            panic!("{}, {level}: {error}", peer.name);
        }
    }
}
