//! A record as a page that needs no other file.

use std::fmt::Write;

use crate::findings::{Entry, Findings, Table};
use crate::markdown::{head, rounds, title};
use crate::run::Record;
use crate::unit::{Unit, multiple};
use crate::{Result, chart};

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
h1, h2, h3 { line-height: 1.25 } h2 { margin-top: 3rem; border-top: 1px solid #ddd; padding-top: 1.5rem }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem } .wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #eee; white-space: nowrap }
th:first-child { text-align: left; font-weight: 600 } thead th { vertical-align: bottom; white-space: normal }
small { color: #666 } tr.mux { background: #f1f6fd } svg { max-width: 100%; height: auto }";

pub fn render(record: &Record) -> Result<String> {
    let contents = record.comparisons.iter().map(|findings| {
        format!("<li><a href=\"#{}\">{}</a></li>", findings.name, escaped(findings.headline))
    });
    let sections = record.comparisons.iter().map(section).collect::<Result<String>>()?;
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>mux beside its peers</title>\n\
         <style>{STYLE}</style></head><body>\n<h1>mux beside its peers</h1>\n<p>{}.</p>\n<ul>{}</ul>\n\
         <p>Numbers are medians of the rounds; below them the least and the most, and the median of the ratios within \
         each round. Believe no difference that is less than the spread.</p>\n{sections}</body></html>\n",
        escaped(&record.machine.described()),
        contents.collect::<String>(),
    ))
}

fn section(findings: &Findings) -> Result<String> {
    let Findings { name, headline, method, .. } = findings;
    let mut text = format!(
        "<section id=\"{name}\"><h2>{}</h2>\n<p>{} {}</p>\n",
        escaped(headline),
        escaped(method),
        escaped(&rounds(findings))
    );
    for found in &findings.tables {
        // Writing to a String cannot fail.
        let _ =
            write!(text, "<h3>{}</h3>\n{}\n{}", escaped(&title(found)), chart::render(found)?, table(found));
    }
    Ok(text + "</section>\n")
}

fn table(table: &Table) -> String {
    let heads = table.columns.iter().map(|column| format!("<th>{}</th>", escaped(&head(column))));
    let rows = table.rows.iter().map(|row| {
        let class = if chart::is_ours(row.peer) { " class=\"mux\"" } else { "" };
        let entries = row.entries.iter().map(|each| entry(table.unit, each)).collect::<String>();
        format!("<tr{class}><th>{}</th>{entries}</tr>\n", escaped(row.peer))
    });
    format!(
        "<div class=\"wide\"><table><thead><tr><th><small>× {}</small></th>{}</tr></thead>\n<tbody>{}</tbody></table></div>\n",
        escaped(&table.against),
        heads.collect::<String>(),
        rows.collect::<String>()
    )
}

fn entry(unit: Unit, entry: &Entry) -> String {
    let Some(spread) = entry.spread else {
        return format!("<td>{}</td>", if entry.asked { "failed" } else { "–" });
    };
    let [median, least, most] = [spread.median, spread.least, spread.most].map(|number| unit.told(number));
    let ratio = entry.ratio.map(|ratio| format!(" · {}", multiple(ratio))).unwrap_or_default();
    format!("<td>{median}<br><small>{least}–{most}{ratio}</small></td>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::examples::findings;
    use crate::machine::Machine;

    #[test]
    fn a_page_has_each_comparison_with_its_charts_and_needs_nothing_else() {
        let page = render(&Record { machine: Machine::of_now(), comparisons: vec![findings()] }).unwrap();
        assert_eq!(page.matches("<svg").count(), 3);
        assert!(page.contains("700.0 k<br><small>200.0 k–1.20 M · 3.0 ×</small>"));
        assert!(!page.contains("src=") && !page.contains("<script"));
    }
}
