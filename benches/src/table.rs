//! The results as tables in Markdown.

use std::fmt::Write;
use std::thread;

use crate::address::Transport;
use crate::cell::Cell;
use crate::comparison::Comparison;
use crate::round::{CellResult, Plan};

pub fn render<C: Comparison>(plan: &Plan<C>, results: &[CellResult<C>]) -> String {
    let of = |&transport| {
        let tables = Tables { plan, results, transport };
        tables.preamble() + &C::tables(&tables)
    };
    plan.transports.iter().map(of).collect::<Vec<_>>().join("\n")
}

/// The tables of one transport.
pub struct Tables<'a, C: Comparison> {
    plan: &'a Plan<C>,
    results: &'a [CellResult<C>],
    transport: Transport,
}

impl<C: Comparison> Tables<'_, C> {
    fn preamble(&self) -> String {
        let Plan { rounds, warm_up, measured, .. } = self.plan;
        let (subject, over, note) = (C::SUBJECT, self.transport.described(), C::NOTE);
        let processors = thread::available_parallelism().map_or(1, |count| count.get());
        format!(
            "{subject} over {over} between two processes of one worker thread each, on {processors} processors; \
             {rounds} interleaved rounds of {measured:?} after {warm_up:?}, fresh processes for every cell. {note}\n"
        )
    }

    /// A row for each peer, a column for each level.
    pub fn table(&self, title: &str, entry: impl Fn(Cell<C>) -> Option<String>) -> String {
        let mut text = format!("\n{title}\n\n| peer |");
        for &level in &self.plan.levels {
            let note = if C::is_on_one_processor(level) { " (one processor)" } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(text, " {}{note} |", C::heading(level));
        }
        text += "\n| --- |";
        text += &" ---: |".repeat(self.plan.levels.len());
        for &peer in &self.plan.peers {
            let _ = write!(text, "\n| {peer} |");
            for &level in &self.plan.levels {
                let entry = entry(Cell { peer, transport: self.transport, level });
                let _ = write!(text, " {} |", entry.as_deref().unwrap_or("failed"));
            }
        }
        text + "\n"
    }

    /// A table of medians, each with the least and the most.
    pub fn spreads(
        &self,
        what: &str,
        pick: impl Fn(C::Level, &C::Sample) -> f64,
        told: fn(f64) -> String,
    ) -> String {
        self.table(&format!("{what}: median (least–most)"), |cell| self.spread(cell, &pick, told))
    }

    fn spread(
        &self,
        cell: Cell<C>,
        pick: impl Fn(C::Level, &C::Sample) -> f64,
        told: fn(f64) -> String,
    ) -> Option<String> {
        let Spread { least, median, most } =
            Spread::of(self.samples(cell).map(|(_, sample)| pick(cell.level, sample)))?;
        Some(match most {
            // Not asked for at this level.
            0.0 => "–".to_owned(),
            _ => format!("{} ({}–{})", told(median), told(least), told(most)),
        })
    }

    /// A table of ratios to the yardstick, if that was measured.
    pub fn ratios(&self, what: &str, pick: impl Fn(&C::Sample) -> f64) -> String {
        if !self.plan.peers.contains(&C::YARDSTICK) {
            return String::new();
        }
        let title = format!("{what} as a multiple of `{}`: median of the rounds' ratios", C::YARDSTICK);
        self.table(&title, |cell| self.ratio(cell, &pick))
    }

    /// Each round is compared within itself: what slows the machine down slows both.
    fn ratio(&self, cell: Cell<C>, pick: impl Fn(&C::Sample) -> f64) -> Option<String> {
        let yardstick = Cell { peer: C::YARDSTICK, ..cell };
        let ratios = self.samples(cell).filter_map(|(round, sample)| {
            let (_, against) = self.samples(yardstick).find(|(other, _)| *other == round)?;
            Some(pick(sample) / pick(against))
        });
        Some(multiple(Spread::of(ratios)?.median))
    }

    pub fn median(&self, cell: Cell<C>, pick: impl Fn(&C::Sample) -> f64) -> Option<f64> {
        Some(Spread::of(self.samples(cell).map(|(_, sample)| pick(sample)))?.median)
    }

    fn samples(&self, cell: Cell<C>) -> impl Iterator<Item = (usize, &C::Sample)> {
        let results = self.results.iter().filter(move |result| result.cell == cell);
        results.filter_map(|result| Some((result.round, result.sample.as_ref()?)))
    }
}

struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values = values.collect::<Vec<_>>();
        values.sort_by(f64::total_cmp);
        let (&least, &most) = (values.first()?, values.last()?);
        let median = (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0;
        Some(Self { least, median, most })
    }
}

pub fn count(number: f64) -> String {
    if number >= 1e6 { format!("{:.2} M", number / 1e6) } else { format!("{:.1} k", number / 1e3) }
}

pub fn gigabytes(bytes: f64) -> String {
    format!("{:.2}", bytes / 1e9)
}

pub fn whole(number: f64) -> String {
    format!("{number:.0}")
}

pub fn time(microseconds: f64) -> String {
    if microseconds >= 1e3 {
        format!("{:.2} ms", microseconds / 1e3)
    } else {
        format!("{microseconds:.1} µs")
    }
}

fn multiple(ratio: f64) -> String {
    match ratio {
        ..0.095 => format!("{ratio:.3} ×"),
        ..0.95 => format!("{ratio:.2} ×"),
        _ => format!("{ratio:.1} ×"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::{Calls, InFlight};
    use crate::rate::Rate;

    const YARDSTICK: &str = Calls::YARDSTICK;

    fn plan(peers: &[&'static str]) -> Plan<Calls> {
        Plan { peers: peers.to_vec(), ..Plan::of(vec![InFlight(1)]) }
    }

    fn result(round: usize, peer: &'static str, per_second: f64) -> CellResult<Calls> {
        let sample = Some(Rate { per_second, p50: 1.0, p99: 2_000.0 });
        let cell = Cell { peer, transport: Transport::Unix, level: InFlight(1) };
        CellResult { round, cell, sample }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut results = vec![
            result(0, YARDSTICK, 1e5),
            result(0, "by-hand", 2e5),
            result(1, YARDSTICK, 3e5),
            result(1, "by-hand", 1.2e6),
        ];
        results.push(CellResult { sample: None, ..result(2, "by-hand", 0.0) });
        let text = render(&plan(&[YARDSTICK, "by-hand"]), &results);
        assert!(text.contains("| by-hand | 3.0 × |"), "{text}");
        assert!(text.contains("| by-hand | 700.0 k (200.0 k–1.20 M) |"), "{text}");
        assert!(text.contains("| by-hand | 1.0 µs / 2.00 ms |"), "{text}");
    }

    #[test]
    fn a_cell_without_results_says_so() {
        assert!(render(&plan(&["by-hand"]), &[]).contains("| by-hand | failed |"));
    }

    #[test]
    fn transports_are_told_apart() {
        let plan = Plan { transports: vec![Transport::Unix, Transport::Tcp], ..plan(&["by-hand"]) };
        let text = render(&plan, &[result(0, "by-hand", 2e5)]);
        let (unix, tcp) = text.split_once("Echo calls over TCP").unwrap();
        assert!(unix.contains("| by-hand | 200.0 k") && tcp.contains("| by-hand | failed |"), "{text}");
    }
}
