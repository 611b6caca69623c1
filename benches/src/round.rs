//! What is measured, in which order.

use std::time::Duration;

use crate::address::Transport;
use crate::cell::Cell;
use crate::comparison::Comparison;

pub struct Plan<C: Comparison> {
    pub rounds: usize,
    pub warm_up: Duration,
    pub measured: Duration,
    pub peers: Vec<&'static str>,
    pub transports: Vec<Transport>,
    pub levels: Vec<C::Level>,
}

impl<C: Comparison> Plan<C> {
    pub fn of(levels: Vec<C::Level>) -> Self {
        Self {
            rounds: 5,
            warm_up: Duration::from_millis(200),
            measured: Duration::from_millis(700),
            peers: C::PEERS.iter().map(|peer| peer.name).collect(),
            transports: vec![Transport::Unix],
            levels,
        }
    }

    pub fn be_quick(&mut self) {
        self.rounds = 2;
        self.warm_up = Duration::from_millis(100);
        self.measured = Duration::from_millis(300);
    }

    /// Level by level, so that the peers of one level meet the same weather; each round another peer begins.
    fn cells(&self, round: usize) -> impl Iterator<Item = Cell<C>> {
        let first = round % self.peers.len().max(1);
        let peers = self.peers.iter().cycle().skip(first).take(self.peers.len());
        let columns = self
            .transports
            .iter()
            .flat_map(|&transport| self.levels.iter().map(move |&level| (transport, level)));
        columns.flat_map(move |(transport, level)| {
            peers.clone().map(move |&peer| Cell { peer, transport, level })
        })
    }
}

pub struct CellResult<C: Comparison> {
    pub round: usize,
    pub cell: Cell<C>,
    /// None if it failed, which was told when it did.
    pub sample: Option<C::Sample>,
}

pub fn run_all<C: Comparison>(plan: &Plan<C>) -> Vec<CellResult<C>> {
    let cells = (0..plan.rounds).flat_map(|round| plan.cells(round).map(move |cell| (round, cell)));
    cells.enumerate().map(|(nth, (round, cell))| run_one(plan, nth, round, cell)).collect()
}

fn run_one<C: Comparison>(plan: &Plan<C>, nth: usize, round: usize, cell: Cell<C>) -> CellResult<C> {
    let outcome = cell.measure(plan, nth);
    let Cell { peer, transport, level } = cell;
    let (round_number, rounds, heading) = (round + 1, plan.rounds, C::heading(level));
    let place = format!("round {round_number} of {rounds}: {transport:4} {heading:>16} {peer:17}");
    match &outcome {
        Ok(sample) => eprintln!("{place} {}", C::told(level, sample)),
        Err(error) => eprintln!("{place} failed: {error}"),
    }
    CellResult { round, cell, sample: outcome.ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::Calls;

    #[test]
    fn every_round_has_every_cell_and_begins_with_another_peer() {
        let plan = Plan { transports: vec![Transport::Unix, Transport::Tcp], ..Calls::plan() };
        let rounds = [0, 1].map(|round| plan.cells(round).collect::<Vec<_>>());
        assert_eq!(rounds[0].len(), plan.peers.len() * plan.levels.len() * 2);
        assert!(rounds[0].iter().all(|cell| rounds[1].contains(cell)));
        assert_eq!(rounds[0][1], rounds[1][0]);
    }
}
