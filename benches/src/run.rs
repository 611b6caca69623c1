//! A run: one comparison or all, told, and written where they are kept.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::arguments::Options;
use crate::findings::Findings;
use crate::known::{ALL, Known, Planned};
use crate::machine::Machine;
use crate::progress::Progress;
use crate::{Result, chart, markdown, program, report};

/// What is kept of it.
#[derive(Debug, Serialize)]
pub struct Record {
    pub machine: Machine,
    pub comparisons: Vec<Findings>,
}

pub fn run(named: Option<&'static Known>, options: &Options) -> Result<()> {
    let plans = plans(named, options)?;
    if plans.iter().any(|plan| plan.counts_heap()) {
        program::build_counting()?;
    }
    let estimate = plans.iter().map(|plan| plan.estimate()).sum();
    let progress = Progress::over(estimate)?;
    let cells = plans.iter().map(|plan| plan.cells()).sum::<usize>();
    progress.say(&format!("{cells} cells, about {} in all", minutes(estimate)));
    let stem = named.map_or("report", |known| known.name);
    let record = measure(&plans, &progress, |record| record.write_to(&options.out, stem))?;
    progress.close();
    record.comparisons.iter().for_each(|findings| print!("{}", markdown::render(findings)));
    println!("{}\n\nkept in {}", record.machine.described(), options.out.display());
    match record.comparisons.iter().map(|findings| findings.failed).sum() {
        0 => Ok(()),
        failed => Err(format!("{failed} of {cells} cells failed").into()),
    }
}

fn plans(named: Option<&'static Known>, options: &Options) -> Result<Vec<Box<dyn Planned>>> {
    let comparisons = named.map_or(ALL, std::slice::from_ref);
    let mut known = comparisons.iter().flat_map(|comparison| (comparison.peers)()).collect::<Vec<_>>();
    known.sort_unstable();
    known.dedup();
    if let Some(peer) = options.peers.iter().flatten().find(|peer| !known.contains(&peer.as_str())) {
        return Err(format!("no peer `{peer}` here; there are: {}", known.join(", ")).into());
    }
    if let (None, Some((option, _))) = (named, options.levels.first()) {
        return Err(format!("`{option}` is no option of all comparisons; name one, or try --help").into());
    }
    let plans = comparisons.iter().map(|comparison| (comparison.plan)(options));
    Ok(plans.collect::<Result<Vec<_>>>()?.into_iter().filter(|plan| plan.cells() > 0).collect())
}

/// Kept after each comparison, so that a run that is broken off leaves what it has.
fn measure(
    plans: &[Box<dyn Planned>],
    progress: &Progress,
    keep: impl Fn(&Record) -> Result<()>,
) -> Result<Record> {
    let mut record = Record { machine: Machine::of_now(), comparisons: Vec::new() };
    for plan in plans {
        record.comparisons.push(plan.measure(progress));
        keep(&record)?;
    }
    Ok(record)
}

impl Record {
    /// `stem.json`, `stem.html`, and each comparison's charts by themselves.
    fn write_to(&self, directory: &Path, stem: &str) -> Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join(stem).with_extension("json"), serde_json::to_vec_pretty(self)?)?;
        fs::write(directory.join(stem).with_extension("html"), report::render(self)?)?;
        for (name, svg) in self.charts()? {
            fs::write(directory.join(name).with_extension("svg"), svg)?;
        }
        Ok(())
    }

    /// The first figure's, over the first transport.
    fn charts(&self) -> Result<Vec<(String, String)>> {
        let tables = self.comparisons.iter().flat_map(|findings| {
            let first = findings.tables.first();
            let is_first = move |table: &&_| first.is_some_and(|first| chart::are_alike(first, table));
            findings.tables.iter().filter(is_first).map(move |table| (findings.name, table))
        });
        tables.map(|(name, table)| Ok((file_name(name, table.group), chart::render(table)?))).collect()
    }
}

fn file_name(comparison: &str, group: &str) -> String {
    if group.is_empty() {
        comparison.to_owned()
    } else {
        format!("{comparison}-{}", group.replace([' ', ','], "-"))
    }
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::examples::findings;

    #[test]
    fn a_record_is_written_as_samples_report_and_charts() {
        let directory = tempfile::tempdir().unwrap();
        let record = Record { machine: Machine::of_now(), comparisons: vec![findings()] };
        record.write_to(directory.path(), "report").unwrap();
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&read("report.json")).unwrap();
        assert!(json["machine"]["processors"].as_u64().unwrap() > 0);
        assert_eq!(json["comparisons"][0]["name"], "calls");
        assert!(read("report.html").contains("</html>"));
        assert!(read("calls.svg").trim_end().ends_with("</svg>"));
    }

    #[test]
    fn all_of_it_fits_into_the_time_that_is_promised() {
        let estimate = |options: &Options| {
            plans(None, options).unwrap().iter().map(|plan| plan.estimate()).sum::<Duration>()
        };
        let all = estimate(&Options::default());
        let quick = estimate(&Options { quick: true, ..Options::default() });
        assert!(all < Duration::from_secs(30 * 60), "{all:?}");
        assert!(quick < Duration::from_secs(3 * 60), "{quick:?}");
    }

    #[test]
    fn a_peer_that_none_has_is_refused() {
        let options = Options { peers: Some(vec!["nobody".to_owned()]), ..Options::default() };
        assert!(plans(None, &options).is_err());
    }
}
