//! What was found, for people and for programs.

use std::fmt::Write;

use super::counts::Counts;
use super::fixture::Size;
use super::services::Framework;
use super::time::{Time, Times};
use super::workshop::Profile;

pub struct Report {
    pub size: Size,
    pub counts: Vec<(Framework, Counts)>,
    pub times: Vec<Times>,
}

const BUILDS: [&str; 3] = ["clean", "another body", "a method more"];
type Seconds = fn(&Time) -> f64;
const CLOCKS: [(&str, Seconds); 2] = [("processor", |time| time.processor), ("wall", |time| time.wall)];

type Count = fn(&Counts) -> f64;
const COUNTS: [(&str, Count); 4] = [
    ("expanded lines a method", |counts| counts.lines),
    ("lines of LLVM IR a method, debug", |counts| counts.intermediate),
    ("bytes a method, release, stripped", |counts| counts.bytes),
    ("crates", |counts| counts.crates as f64),
];

/// One figure of both frameworks; not a number where a framework was left out.
struct Row {
    name: String,
    mux: f64,
    tarpc: f64,
    /// Of the first to the second; within a round, where there are rounds.
    ratio: f64,
}

impl Report {
    pub fn markdown(&self) -> String {
        let Size { services, methods } = self.size;
        let mut text = format!(
            "A program of {services} services of {methods} methods, their implementations and a call of each; \
             dependencies built before.\nSeconds are medians, ratios medians of the rounds' ratios.\n\n\
             | | mux | tarpc | ratio |\n| --- | ---: | ---: | ---: |\n"
        );
        for Row { name, mux, tarpc, ratio } in self.rows() {
            let told = |figure: f64| match figure {
                _ if figure.is_nan() => "–".to_owned(),
                ..50.0 => format!("{figure:.2}"),
                _ => format!("{figure:.0}"),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {name} | {} | {} | {} |", told(mux), told(tarpc), told(ratio));
        }
        text
    }

    pub fn json(&self) -> String {
        let figure = |figure: f64| if figure.is_nan() { "null".to_owned() } else { format!("{figure:.4}") };
        let rows = self.rows().into_iter().map(|Row { name, mux, tarpc, ratio }| {
            let [mux, tarpc, ratio] = [mux, tarpc, ratio].map(figure);
            format!("    {{ \"what\": \"{name}\", \"mux\": {mux}, \"tarpc\": {tarpc}, \"ratio\": {ratio} }}")
        });
        let (Size { services, methods }, rows) = (self.size, rows.collect::<Vec<_>>().join(",\n"));
        format!(
            "{{\n  \"services\": {services},\n  \"methods\": {methods},\n  \"rows\": [\n{rows}\n  ]\n}}\n"
        )
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (clock, seconds) in CLOCKS {
            for profile in Profile::ALL {
                for (build, name) in BUILDS.into_iter().enumerate() {
                    let name = format!("{profile}, {name}: {clock} seconds");
                    rows.extend(self.time_row(name, profile, |times| seconds(&times.taken[build])));
                }
            }
        }
        rows.extend(COUNTS.into_iter().filter_map(|(name, count)| self.count_row(name, count)));
        rows
    }

    fn time_row(&self, name: String, profile: Profile, pick: impl Fn(&Times) -> f64) -> Option<Row> {
        let of = |framework| -> Vec<f64> {
            let times = self.times.iter();
            times.filter(|it| it.framework == framework && it.profile == profile).map(&pick).collect()
        };
        let (mux, tarpc) = (of(Framework::Mux), of(Framework::Tarpc));
        let ratios = mux.iter().zip(&tarpc).map(|(mux, tarpc)| mux / tarpc).collect();
        let or_none = |median: Option<f64>| median.unwrap_or(f64::NAN);
        let told = !mux.is_empty() || !tarpc.is_empty();
        told.then(|| Row {
            name,
            ratio: or_none(median(ratios)),
            mux: or_none(median(mux)),
            tarpc: or_none(median(tarpc)),
        })
    }

    fn count_row(&self, name: &str, count: Count) -> Option<Row> {
        let of = |framework| self.counts.iter().find(|(it, _)| *it == framework).map(|(_, it)| count(it));
        let [mux, tarpc] = Framework::ALL.map(|framework| of(framework).unwrap_or(f64::NAN));
        (!self.counts.is_empty()).then(|| Row { name: name.to_owned(), mux, tarpc, ratio: mux / tarpc })
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}
