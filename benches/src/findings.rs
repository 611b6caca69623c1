//! What a comparison found, as plain data: what is printed, drawn and written is made of it.

use serde::Serialize;

use crate::address::Transport;
use crate::cell::Cell;
use crate::comparison::{Against, Comparison, Figure};
use crate::round::{CellResult, Plan};
use crate::spread::Spread;
use crate::unit::Unit;

#[derive(Debug, Serialize)]
pub struct Findings {
    pub name: &'static str,
    pub headline: &'static str,
    pub method: &'static str,
    pub rounds: usize,
    pub warm_up_seconds: f64,
    pub measured_seconds: f64,
    pub cells: usize,
    pub failed: usize,
    pub tables: Vec<Table>,
}

/// One figure over one transport: a row for each peer, a column for each level.
#[derive(Debug, Serialize)]
pub struct Table {
    pub figure: &'static str,
    pub unit: Unit,
    /// None if nothing travels.
    pub transport: Option<Transport>,
    /// Empty if the comparison has one.
    pub group: &'static str,
    /// What ratios are to.
    pub against: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub struct Column {
    pub heading: String,
    /// Where it lies on a curve.
    pub along: Option<f64>,
    pub one_processor: bool,
}

#[derive(Debug, Serialize)]
pub struct Row {
    pub peer: &'static str,
    pub entries: Vec<Entry>,
}

#[derive(Debug, Default, Serialize)]
pub struct Entry {
    /// Not if it would make no sense.
    pub asked: bool,
    /// Of each round; null if it failed.
    pub samples: Vec<Option<f64>>,
    pub spread: Option<Spread>,
    /// The median of the rounds' ratios: what slows a round down slows both.
    pub ratio: Option<f64>,
}

impl Findings {
    pub fn of<C: Comparison>(plan: &Plan<C>, results: &[CellResult<C>]) -> Self {
        let tables = plan.transports.iter().flat_map(|&transport| {
            let found = Found { plan, results, transport };
            C::FIGURES.iter().flat_map(move |figure| found.tables(figure))
        });
        Self {
            name: C::NAME,
            headline: C::HEADLINE,
            method: C::METHOD,
            rounds: plan.rounds,
            warm_up_seconds: plan.warm_up.as_secs_f64(),
            measured_seconds: plan.measured.as_secs_f64(),
            cells: results.len(),
            failed: results.iter().filter(|result| result.sample.is_none()).count(),
            tables: tables.collect(),
        }
    }
}

/// What was found over one transport.
struct Found<'a, C: Comparison> {
    plan: &'a Plan<C>,
    results: &'a [CellResult<C>],
    transport: Transport,
}

impl<C: Comparison> Clone for Found<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Comparison> Copy for Found<'_, C> {}

impl<'a, C: Comparison> Found<'a, C> {
    /// One for each group that has the figure.
    fn tables(self, figure: &'a Figure<C>) -> Vec<Table> {
        let mut groups = self.plan.levels.iter().map(|&level| C::group(level)).collect::<Vec<_>>();
        groups.dedup();
        let tables = groups.into_iter().map(|group| self.table(figure, group));
        tables.filter(|table| !table.columns.is_empty()).collect()
    }

    fn table(self, figure: &Figure<C>, group: &'static str) -> Table {
        let levels = self.plan.levels.iter().copied().filter(|&level| C::group(level) == group);
        let levels = levels.collect::<Vec<_>>();
        let rows = self.plan.peers.iter().map(|&peer| {
            let cells = levels.iter().map(|&level| Cell { peer, transport: self.transport, level });
            Row { peer, entries: cells.map(|cell| self.entry(figure, cell)).collect() }
        });
        let mut table = Table {
            figure: figure.name,
            unit: figure.unit,
            transport: C::HAS_SOCKET.then_some(self.transport),
            group,
            against: C::AGAINST.to_string(),
            rows: rows.collect(),
            columns: levels.into_iter().map(|level| self.column(level)).collect(),
        };
        table.drop_empty_columns();
        table.compare(C::AGAINST);
        table
    }

    fn column(self, level: C::Level) -> Column {
        Column {
            heading: C::heading(level),
            along: C::along(level),
            one_processor: self.plan.is_on_one_processor(level),
        }
    }

    fn entry(self, figure: &Figure<C>, cell: Cell<C>) -> Entry {
        let mut entry = Entry {
            asked: C::asks(cell.peer, cell.level),
            samples: vec![None; self.plan.rounds],
            ..Entry::default()
        };
        for result in self.results.iter().filter(|result| result.cell == cell) {
            let Some(sample) = &result.sample else { continue };
            let number = (figure.pick)(cell.level, sample);
            entry.asked &= number.is_some();
            entry.samples[result.round] = number;
        }
        entry.spread = Spread::of(entry.samples.iter().copied().flatten());
        entry
    }
}

impl Table {
    /// Not every level has every figure.
    fn drop_empty_columns(&mut self) {
        for column in (0..self.columns.len()).rev() {
            if !self.rows.iter().any(|row| row.entries[column].asked) {
                self.columns.remove(column);
                self.rows.iter_mut().for_each(|row| drop(row.entries.remove(column)));
            }
        }
    }

    fn compare(&mut self, against: Against) {
        let yardstick = |row: usize, column: usize| match against {
            Against::Peer(name) => {
                self.rows.iter().find(|row| row.peer == name).map(|row| &row.entries[column])
            }
            Against::First => self.rows[row].entries.first(),
        };
        let ratios = (0..self.rows.len()).map(|row| {
            let columns = (0..self.columns.len())
                .map(|column| ratio(&self.rows[row].entries[column], yardstick(row, column)?));
            columns.collect::<Vec<_>>()
        });
        let ratios = ratios.collect::<Vec<_>>();
        for (row, ratios) in self.rows.iter_mut().zip(ratios) {
            for (entry, ratio) in row.entries.iter_mut().zip(ratios) {
                entry.ratio = ratio;
            }
        }
    }
}

/// A number that is nothing has no multiples.
fn ratio(entry: &Entry, yardstick: &Entry) -> Option<f64> {
    let pairs = entry.samples.iter().zip(&yardstick.samples);
    let ratios =
        pairs.filter_map(|(&number, &against)| Some(number? / against.filter(|&number| number > 0.0)?));
    Some(Spread::of(ratios)?.median)
}

/// For the tests of what is made of findings.
#[cfg(test)]
pub mod examples {
    use super::*;
    use crate::calls::{Calls, InFlight};
    use crate::rate::Rate;

    pub fn plan(peers: &[&'static str]) -> Plan<Calls> {
        Plan { rounds: 3, peers: peers.to_vec(), ..Plan::of(vec![InFlight(1)]) }
    }

    pub fn result(round: usize, peer: &'static str, per_second: f64) -> CellResult<Calls> {
        let sample = Some(Rate { per_second, p50: 1.0, p99: 2_000.0 });
        let cell = Cell { peer, transport: Transport::Unix, level: InFlight(1) };
        CellResult { round, cell, sample }
    }

    /// By hand three times as fast as the yardstick, once failed, in two rounds that differ.
    pub fn findings() -> Findings {
        let mut results = vec![
            result(0, YARDSTICK, 1e5),
            result(0, "by-hand", 2e5),
            result(1, YARDSTICK, 3e5),
            result(1, "by-hand", 1.2e6),
        ];
        results.push(CellResult { sample: None, ..result(2, "by-hand", 0.0) });
        Findings::of(&plan(&[YARDSTICK, "by-hand"]), &results)
    }

    pub const YARDSTICK: &str = "tarpc-messagepack";
}

#[cfg(test)]
mod tests {
    use super::examples::{YARDSTICK, findings, plan, result};
    use super::*;
    use crate::calls::Calls;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let findings = findings();
        let entry = &findings.tables[0].rows[1].entries[0];
        assert_eq!(entry.samples, [Some(2e5), Some(1.2e6), None]);
        assert_eq!(entry.spread, Some(Spread { least: 2e5, median: 7e5, most: 1.2e6 }));
        assert_eq!(entry.ratio, Some(3.0));
        assert_eq!(findings.failed, 1);
    }

    #[test]
    fn without_its_yardstick_nothing_has_a_ratio() {
        let findings = Findings::of(&plan(&["by-hand"]), &[result(0, "by-hand", 2e5)]);
        assert_eq!(findings.tables[0].rows[0].entries[0].ratio, None);
    }

    #[test]
    fn transports_are_told_apart() {
        let plan = Plan { transports: vec![Transport::Unix, Transport::Tcp], ..plan(&["by-hand"]) };
        let findings = Findings::of(&plan, &[result(0, "by-hand", 2e5)]);
        let found = |transport| {
            let table = findings.tables.iter().find(|table| table.transport == Some(transport)).unwrap();
            table.rows[0].entries[0].spread.is_some()
        };
        assert!(found(Transport::Unix) && !found(Transport::Tcp));
    }

    #[test]
    fn every_figure_has_a_table() {
        let figures = findings().tables.iter().map(|table| table.figure).collect::<Vec<_>>();
        assert_eq!(figures, Calls::FIGURES.iter().map(|figure| figure.name).collect::<Vec<_>>());
        assert_eq!(Calls::AGAINST, Against::Peer(YARDSTICK));
    }

    #[test]
    fn as_json_it_has_all_samples_and_what_was_made_of_them() {
        let json = serde_json::to_value(findings()).unwrap();
        assert_eq!(json["name"], "calls");
        let table = &json["tables"][0];
        assert_eq!((&table["unit"], &table["transport"]), (&"a second".into(), &"unix".into()));
        let entry = &table["rows"][1]["entries"][0];
        assert_eq!(entry["samples"], serde_json::json!([2e5, 1.2e6, null]));
        assert_eq!(entry["spread"], serde_json::json!({ "least": 2e5, "median": 7e5, "most": 1.2e6 }));
        assert_eq!(entry["ratio"], 3.0);
    }
}
