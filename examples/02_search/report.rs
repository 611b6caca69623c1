//! What callers saw: calls, answers by kind, latencies, and what was wrong.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Wrong answers that are told in full.
const MOST_TOLD: usize = 5;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Calls by what came of them.
    pub kinds: BTreeMap<String, usize>,
    /// How long each call took, in microseconds.
    micros: Vec<u64>,
    wrong: usize,
    first_wrong: Vec<String>,
}

impl Report {
    /// A call that brought what it should.
    pub(crate) fn right(&mut self, kind: &str, took: Duration) {
        self.count(kind, 1);
        self.micros.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn wrong(&mut self, what: String) {
        self.count("wrong", 1);
        self.wrong += 1;
        self.tell(what);
    }

    pub(crate) fn count(&mut self, kind: &str, calls: usize) {
        *self.kinds.entry(kind.to_owned()).or_default() += calls;
    }

    fn tell(&mut self, what: String) {
        if self.first_wrong.len() < MOST_TOLD {
            self.first_wrong.push(what);
        }
    }

    pub(crate) fn add(&mut self, other: Report) {
        other.kinds.iter().for_each(|(kind, calls)| self.count(kind, *calls));
        self.micros.extend(other.micros);
        self.wrong += other.wrong;
        other.first_wrong.into_iter().for_each(|what| self.tell(what));
    }

    pub(crate) fn calls(&self) -> usize {
        self.kinds.values().sum()
    }

    /// All that was wrong, as one text.
    pub(crate) fn complaint(&self) -> Option<String> {
        let first = self.first_wrong.join("\n  ");
        (self.wrong > 0).then(|| format!("{} wrong answers, the first ones:\n  {first}", self.wrong))
    }

    pub(crate) fn kinds(&self) -> String {
        let kinds: Vec<_> = self.kinds.iter().map(|(kind, calls)| format!("{calls} {kind}")).collect();
        kinds.join(", ")
    }

    pub(crate) fn latencies(&mut self) -> String {
        self.micros.sort_unstable();
        let shown = [("p50", 50), ("p90", 90), ("p99", 99), ("longest", 100)];
        let shown = shown.map(|(name, percent)| format!("{name} {:.1?}", self.percentile(percent)));
        shown.join("   ")
    }

    /// Of sorted ones: the least that so many percent of the calls did not exceed.
    fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.micros.len() * percent).div_ceil(100).max(1);
        Duration::from_micros(self.micros.get(rank - 1).copied().unwrap_or_default())
    }
}
