//! What is measured, in which order.

use std::time::Duration;

use crate::cell::Cell;
use crate::peers::PeerName;
use crate::sample::Sample;

pub struct Plan {
    pub rounds: usize,
    pub warm_up: Duration,
    pub measured: Duration,
    pub peers: Vec<PeerName>,
    pub levels: Vec<u64>,
    pub tcp: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rounds: 5,
            warm_up: Duration::from_millis(200),
            measured: Duration::from_millis(700),
            peers: PeerName::ALL.to_vec(),
            levels: vec![1, 64, 1024],
            tcp: false,
        }
    }
}

impl Plan {
    pub fn be_quick(&mut self) {
        self.rounds = 2;
        self.warm_up = Duration::from_millis(100);
        self.measured = Duration::from_millis(300);
    }

    /// Level by level, so that the peers of one level meet the same weather; each round another peer begins.
    fn cells(&self, round: usize) -> impl Iterator<Item = Cell> {
        let first = round % self.peers.len().max(1);
        let peers = self.peers.iter().cycle().skip(first).take(self.peers.len());
        self.levels
            .iter()
            .flat_map(move |&in_flight| peers.clone().map(move |&peer| Cell { peer, in_flight }))
    }
}

pub struct CellResult {
    pub round: usize,
    pub cell: Cell,
    /// None if it failed, which was told when it did.
    pub sample: Option<Sample>,
}

pub fn run_all(plan: &Plan) -> Vec<CellResult> {
    let cells = (0..plan.rounds).flat_map(|round| plan.cells(round).map(move |cell| (round, cell)));
    cells.enumerate().map(|(nth, (round, cell))| run_one(plan, nth, round, cell)).collect()
}

fn run_one(plan: &Plan, nth: usize, round: usize, cell: Cell) -> CellResult {
    let outcome = cell.measure(plan, nth);
    let place =
        format!("round {} of {}, {:4} in flight, {:17}", round + 1, plan.rounds, cell.in_flight, cell.peer);
    match &outcome {
        Ok(Sample { calls_per_second, p50, p99 }) => {
            eprintln!("{place} {calls_per_second:9.0} calls/s, p50 {p50:8.1} µs, p99 {p99:8.1} µs");
        }
        Err(error) => eprintln!("{place} failed: {error}"),
    }
    CellResult { round, cell, sample: outcome.ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_every_cell_and_begins_with_another_peer() {
        let plan = Plan::default();
        let rounds = [0, 1].map(|round| plan.cells(round).collect::<Vec<_>>());
        assert_eq!(rounds[0].len(), plan.peers.len() * plan.levels.len());
        assert!(rounds[0].iter().all(|cell| rounds[1].contains(cell)));
        assert_eq!(rounds[0][1], rounds[1][0]);
    }
}
