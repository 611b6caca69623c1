//! A table as a picture: bars, or curves where its columns lie along something.

mod bars;
mod curves;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Result;
use crate::findings::Table;
use crate::markdown::title;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 960;
const TITLE: u32 = 36;
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(120, 120, 120);
const OURS: RGBColor = RGBColor(37, 99, 195);
const THEIRS: RGBColor = RGBColor(176, 182, 190);
/// plotters writes them a fifth smaller.
const SMALL: (&str, i32) = ("sans-serif", 16);
const LARGE: (&str, i32) = ("sans-serif", 21);

pub fn render(table: &Table) -> Result<String> {
    let mut svg = String::new();
    if table.columns.iter().all(|column| column.along.is_some()) {
        curves::draw(table, &mut svg)?;
    } else {
        bars::draw(table, &mut svg)?;
    }
    Ok(svg)
}

/// Whether two tables are of one figure over one transport.
pub fn are_alike(one: &Table, other: &Table) -> bool {
    one.figure == other.figure && one.transport == other.transport
}

pub fn is_ours(peer: &str) -> bool {
    peer.starts_with("mux")
}

fn color(peer: &str) -> RGBColor {
    if is_ours(peer) { OURS } else { THEIRS }
}

/// What is below the title.
fn canvas<'a>(table: &Table, svg: &'a mut String, height: u32) -> Result<Area<'a>> {
    let area = SVGBackend::with_string(svg, (WIDTH, TITLE + height)).into_drawing_area();
    area.fill(&WHITE)?;
    let (above, below) = area.split_vertically(TITLE);
    let sense = if table.unit.is_better_if_more() { "more is better" } else { "less is better" };
    let text = LARGE.into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
    above.draw(&Text::new(title(table), (8, TITLE as i32 / 2), text))?;
    write(&above, sense, (WIDTH as i32 - 10, TITLE as i32 / 2), HPos::Right, FAINT)?;
    Ok(below)
}

fn write(area: &Area<'_>, text: &str, at: (i32, i32), anchor: HPos, color: RGBColor) -> Result<()> {
    let style = SMALL.into_font().color(&color).pos(Pos::new(anchor, VPos::Center));
    Ok(area.draw(&Text::new(text.to_owned(), at, style))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Entry;
    use crate::findings::examples::findings;

    #[test]
    fn bars_are_as_long_as_their_medians() {
        let svg = render(&findings().tables[0]).unwrap();
        let widths = svg.match_indices("<rect").filter_map(|(at, _)| {
            let (_, rest) = svg[at..].split_once("width=\"")?;
            rest.split_once('"')?.0.parse::<f64>().ok()
        });
        // The first is the background.
        let widths = widths.skip(1).collect::<Vec<_>>();
        assert_eq!(widths.len(), 2);
        assert!((widths[1] / widths[0] - 3.5).abs() < 0.05, "{widths:?}");
        assert!(svg.contains("700.0 k") && svg.contains("by-hand"));
    }

    #[test]
    fn columns_along_something_make_a_curve() {
        let mut table = findings().tables.remove(0);
        table.columns[0].along = Some(0.0);
        let svg = render(&table).unwrap();
        assert_eq!(svg.matches("<circle").count(), 2);
    }

    #[test]
    fn a_table_without_samples_is_drawn_too() {
        let mut table = findings().tables.remove(0);
        table.rows.iter_mut().for_each(|row| row.entries = vec![Entry { asked: true, ..Entry::default() }]);
        assert!(render(&table).unwrap().contains("failed"));
        table.columns[0].along = Some(1.0);
        render(&table).unwrap();
    }
}
