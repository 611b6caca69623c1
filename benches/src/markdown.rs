//! Findings as tables in Markdown.

use crate::findings::{Column, Entry, Findings, Table};
use crate::unit::{Unit, multiple};

pub fn render(findings: &Findings) -> String {
    let Findings { headline, method, .. } = findings;
    let tables = findings.tables.iter().map(table).collect::<String>();
    format!("## {headline}\n\n{method} {}\n{tables}\n", rounds(findings))
}

/// How often and how long.
pub fn rounds(findings: &Findings) -> String {
    let &Findings { rounds, warm_up_seconds, measured_seconds, .. } = findings;
    let often = if rounds == 1 { "One round".to_owned() } else { format!("{rounds} interleaved rounds") };
    let of = match measured_seconds {
        0.0 => String::new(),
        seconds => format!(" of {seconds} s after {warm_up_seconds} s"),
    };
    format!("{often}{of}, with fresh processes for every cell.")
}

fn table(table: &Table) -> String {
    let heads = table.columns.iter().map(|column| format!(" {} |", head(column))).collect::<String>();
    let rule = " ---: |".repeat(table.columns.len());
    let rows = table.rows.iter().map(|row| {
        let entries = row.entries.iter().map(|each| format!(" {} |", entry(table.unit, each)));
        format!("\n| {} |{}", row.peer, entries.collect::<String>())
    });
    let against = &table.against;
    format!(
        "\n{}: median (least–most), multiple of {against}\n\n| |{heads}\n| --- |{rule}{}\n",
        title(table),
        rows.collect::<String>()
    )
}

pub fn title(table: &Table) -> String {
    let over = table.transport.map(|transport| format!(" over {}", transport.described()));
    let by = if table.group.is_empty() { String::new() } else { format!(" by {},", table.group) };
    format!("{}{by}{}", table.figure, over.unwrap_or_default())
}

pub fn head(column: &Column) -> String {
    let note = if column.one_processor { " (one processor)" } else { "" };
    format!("{}{note}", column.heading)
}

fn entry(unit: Unit, entry: &Entry) -> String {
    let Some(spread) = entry.spread else {
        return if entry.asked { "failed" } else { "–" }.to_owned();
    };
    let [median, least, most] = [spread.median, spread.least, spread.most].map(|number| unit.told(number));
    let ratio = entry.ratio.map(|ratio| format!(" {}", multiple(ratio))).unwrap_or_default();
    format!("{median} ({least}–{most}){ratio}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::examples::{findings, plan};

    #[test]
    fn an_entry_has_its_median_its_spread_and_its_ratio() {
        let text = render(&findings());
        assert!(text.contains("| by-hand | 700.0 k (200.0 k–1.20 M) 3.0 × |"), "{text}");
        assert!(text.contains("| by-hand | 2.00 ms (2.00 ms–2.00 ms) 1.0 × |"), "{text}");
    }

    #[test]
    fn a_cell_without_results_says_so() {
        assert!(render(&Findings::of(&plan(&["by-hand"]), &[])).contains("| by-hand | failed |"));
    }
}
