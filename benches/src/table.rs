//! The results as tables in Markdown.

use std::fmt::Write;
use std::thread;

use crate::cell::Cell;
use crate::peers::PeerName;
use crate::round::{CellResult, Plan};
use crate::sample::Sample;

pub fn render(plan: &Plan, results: &[CellResult]) -> String {
    let tables = Tables { plan, results };
    let mut text = tables.preamble();
    text += &tables.table("Calls a second: median (least–most)", |cell| tables.speed(cell));
    if plan.peers.contains(&YARDSTICK) {
        let title = format!("Calls a second as a multiple of `{YARDSTICK}`: median of the rounds' ratios");
        text += &tables.table(&title, |cell| tables.ratio(cell));
    }
    text += &tables.table("Latency: p50 / p99, medians of the rounds", |cell| tables.latency(cell));
    text
}

/// What the others are compared with.
const YARDSTICK: PeerName = PeerName::TarpcMessagePack;

struct Tables<'a> {
    plan: &'a Plan,
    results: &'a [CellResult],
}

impl Tables<'_> {
    fn preamble(&self) -> String {
        let Plan { rounds, warm_up, measured, tcp, .. } = self.plan;
        let over = if *tcp { "TCP on the loopback device" } else { "a Unix socket" };
        let processors = thread::available_parallelism().map_or(1, |count| count.get());
        format!(
            "Echo calls over {over} between two processes of one worker thread each, on {processors} processors; \
             {rounds} interleaved rounds of {measured:?} after {warm_up:?}, fresh processes for every cell. \
             With 1 in flight both processes are kept on one processor.\n"
        )
    }

    fn table(&self, title: &str, entry: impl Fn(Cell) -> Option<String>) -> String {
        let mut text = format!("\n{title}\n\n| peer |");
        for &in_flight in &self.plan.levels {
            // Writing to a String cannot fail.
            let note = if (Cell { peer: YARDSTICK, in_flight }).is_on_one_processor() {
                " (one processor)"
            } else {
                ""
            };
            let _ = write!(text, " {in_flight} in flight{note} |");
        }
        text += "\n| --- |";
        text += &" ---: |".repeat(self.plan.levels.len());
        for &peer in &self.plan.peers {
            let _ = write!(text, "\n| {peer} |");
            for &in_flight in &self.plan.levels {
                let entry = entry(Cell { peer, in_flight });
                let _ = write!(text, " {} |", entry.as_deref().unwrap_or("failed"));
            }
        }
        text + "\n"
    }

    fn speed(&self, cell: Cell) -> Option<String> {
        let spread = Spread::of(self.samples(cell).map(|(_, sample)| sample.calls_per_second))?;
        Some(format!("{} ({}–{})", count(spread.median), count(spread.least), count(spread.most)))
    }

    /// Each round is compared within itself: what slows the machine down slows both.
    fn ratio(&self, cell: Cell) -> Option<String> {
        let yardstick = Cell { peer: YARDSTICK, ..cell };
        let ratios = self.samples(cell).filter_map(|(round, sample)| {
            let (_, against) = self.samples(yardstick).find(|(other, _)| *other == round)?;
            Some(sample.calls_per_second / against.calls_per_second)
        });
        Some(format!("{:.1} ×", Spread::of(ratios)?.median))
    }

    fn latency(&self, cell: Cell) -> Option<String> {
        let median =
            |pick: fn(&Sample) -> f64| Some(Spread::of(self.samples(cell).map(|(_, s)| pick(s)))?.median);
        Some(format!("{} / {}", time(median(|s| s.p50)?), time(median(|s| s.p99)?)))
    }

    fn samples(&self, cell: Cell) -> impl Iterator<Item = (usize, &Sample)> {
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

fn count(calls: f64) -> String {
    if calls >= 1e6 { format!("{:.2} M", calls / 1e6) } else { format!("{:.1} k", calls / 1e3) }
}

fn time(microseconds: f64) -> String {
    if microseconds >= 1e3 {
        format!("{:.2} ms", microseconds / 1e3)
    } else {
        format!("{microseconds:.1} µs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(round: usize, peer: PeerName, calls_per_second: f64) -> CellResult {
        let sample = Some(Sample { calls_per_second, p50: 1.0, p99: 2_000.0 });
        CellResult { round, cell: Cell { peer, in_flight: 1 }, sample }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let plan = Plan { peers: vec![YARDSTICK, PeerName::ByHand], levels: vec![1], ..Plan::default() };
        let mut results = vec![
            result(0, YARDSTICK, 1e5),
            result(0, PeerName::ByHand, 2e5),
            result(1, YARDSTICK, 3e5),
            result(1, PeerName::ByHand, 1.2e6),
        ];
        results.push(CellResult { sample: None, ..result(2, PeerName::ByHand, 0.0) });
        let text = render(&plan, &results);
        assert!(text.contains("| by-hand | 3.0 × |"), "{text}");
        assert!(text.contains("| by-hand | 700.0 k (200.0 k–1.20 M) |"), "{text}");
        assert!(text.contains("| by-hand | 1.0 µs / 2.00 ms |"), "{text}");
    }

    #[test]
    fn a_cell_without_results_says_so() {
        let plan = Plan { peers: vec![PeerName::ByHand], levels: vec![1], ..Plan::default() };
        assert!(render(&plan, &[]).contains("| by-hand | failed |"));
    }
}
