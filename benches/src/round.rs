//! What is measured, in which order.

use std::time::Duration;

use crate::Result;
use crate::address::Transport;
use crate::arguments::Options;
use crate::cell::Cell;
use crate::comparison::{Comparison, Level};
use crate::progress::Progress;

#[derive(Debug)]
pub struct Plan<C: Comparison> {
    pub rounds: usize,
    pub warm_up: Duration,
    pub measured: Duration,
    pub peers: Vec<&'static str>,
    pub transports: Vec<Transport>,
    pub levels: Vec<C::Level>,
    /// Nothing is kept on one processor.
    pub spread_out: bool,
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
            spread_out: false,
        }
    }

    pub fn briefly(self) -> Self {
        Self { rounds: 1, warm_up: Duration::from_millis(50), measured: Duration::from_millis(200), ..self }
    }

    pub fn from_options(options: &Options) -> Result<Self> {
        let mut plan = if options.quick { C::quick() } else { C::plan() };
        for (option, value) in &options.levels {
            if !C::Level::OPTIONS.contains(&option.as_str()) {
                return Err(format!("{}: no option `{option}`; try --help", C::NAME).into());
            }
            C::Level::set(&mut plan.levels, option, value)?;
        }
        plan.spread_out = options.spread_out;
        plan.rounds = options.rounds.unwrap_or(plan.rounds);
        plan.measured = options.measured.unwrap_or(plan.measured);
        plan.warm_up = options.warm_up.unwrap_or(plan.warm_up);
        if let Some(peers) = &options.peers {
            plan.peers.retain(|known| peers.iter().any(|peer| peer == known));
        }
        if let Some(transports) = &options.transports {
            plan.transports.clone_from(transports);
        }
        Ok(plan)
    }

    pub fn is_on_one_processor(&self, level: C::Level) -> bool {
        C::is_on_one_processor(level) && !self.spread_out
    }

    pub fn estimate_of_cell(&self) -> Duration {
        self.warm_up + self.measured + C::BESIDE
    }

    /// Level by level, so that the peers of one level meet the same weather; each round another peer begins.
    pub fn round(&self, nth: usize) -> impl Iterator<Item = Cell<C>> {
        let first = nth % self.peers.len().max(1);
        let peers = self.peers.iter().cycle().skip(first).take(self.peers.len());
        let columns = self
            .transports
            .iter()
            .flat_map(|&transport| self.levels.iter().map(move |&level| (transport, level)));
        let cells = columns.flat_map(move |(transport, level)| {
            peers.clone().map(move |&peer| Cell { peer, transport, level })
        });
        cells.filter(|cell| C::asks(cell.peer, cell.level))
    }
}

pub struct CellResult<C: Comparison> {
    pub round: usize,
    pub cell: Cell<C>,
    /// None if it failed, which was told when it did.
    pub sample: Option<C::Sample>,
}

pub fn measure_all<C: Comparison>(plan: &Plan<C>, progress: &Progress) -> Vec<CellResult<C>> {
    let cells = (0..plan.rounds).flat_map(|round| plan.round(round).map(move |cell| (round, cell)));
    cells.enumerate().map(|(nth, (round, cell))| measure(plan, nth, round, cell, progress)).collect()
}

fn measure<C: Comparison>(
    plan: &Plan<C>,
    nth: usize,
    round: usize,
    cell: Cell<C>,
    progress: &Progress,
) -> CellResult<C> {
    let Cell { peer, transport, level } = cell;
    let (number, rounds, heading) = (round + 1, plan.rounds, C::heading(level));
    let place = format!("{}, round {number} of {rounds}: {transport:4} {heading:>16} {peer:17}", C::NAME);
    progress.begin(&place);
    let outcome = cell.measure(plan, nth);
    let told = outcome.as_ref().map(|sample| told::<C>(level, sample));
    progress.end(&place, told, plan.estimate_of_cell());
    CellResult { round, cell, sample: outcome.ok() }
}

/// A sample in the line of progress.
fn told<C: Comparison>(level: C::Level, sample: &C::Sample) -> String {
    let figures = C::FIGURES.iter().filter_map(|figure| {
        Some(format!("{} {}", figure.name, figure.unit.told((figure.pick)(level, sample)?)))
    });
    figures.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::{Calls, InFlight};
    use crate::known::Planned;

    fn plan(options: Options) -> Result<Plan<Calls>> {
        Plan::from_options(&options)
    }

    #[test]
    fn every_round_has_every_cell_and_begins_with_another_peer() {
        let plan = Plan { transports: vec![Transport::Unix, Transport::Tcp], ..Calls::plan() };
        let rounds = [0, 1].map(|round| plan.round(round).collect::<Vec<_>>());
        assert_eq!(rounds[0].len(), plan.peers.len() * plan.levels.len() * 2);
        assert!(rounds[0].iter().all(|cell| rounds[1].contains(cell)));
        assert_eq!(rounds[0][1], rounds[1][0]);
    }

    #[test]
    fn options_change_the_plan() {
        let options = Options {
            quick: true,
            rounds: Some(3),
            peers: Some(vec!["handmade".to_owned(), "by-hand".to_owned()]),
            levels: vec![("--in-flight".to_owned(), "1,4".to_owned())],
            ..Options::default()
        };
        let plan = plan(options).unwrap();
        assert_eq!((plan.rounds, plan.measured), (3, Duration::from_millis(200)));
        assert_eq!(plan.peers, ["by-hand", "handmade"]);
        assert_eq!(plan.levels, [InFlight(1), InFlight(4)]);
    }

    #[test]
    fn an_option_of_another_comparison_is_refused() {
        let options = Options { levels: vec![("--items".to_owned(), "7".to_owned())], ..Options::default() };
        assert!(plan(options).is_err());
    }

    #[test]
    fn spread_out_nothing_is_kept_on_one_processor() {
        let plan = Calls::plan();
        assert!(plan.is_on_one_processor(InFlight(1)));
        assert!(!Plan { spread_out: true, ..plan }.is_on_one_processor(InFlight(1)));
    }

    #[test]
    fn an_estimate_counts_every_cell_once_a_round() {
        let plan = Plan {
            rounds: 7,
            peers: vec!["mux", "by-hand"],
            warm_up: Duration::from_millis(100),
            measured: Duration::from_millis(400),
            ..Plan::<Calls>::of(vec![InFlight(1), InFlight(64)])
        };
        assert_eq!(plan.cells(), 28);
        assert_eq!(plan.estimate(), 28 * (Duration::from_millis(500) + Calls::BESIDE));
    }
}
