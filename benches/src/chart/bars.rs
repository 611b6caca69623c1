//! Bars of medians, with the least and the most.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::{Area, FAINT, INK, OURS, canvas, color, is_ours, write};
use crate::Result;
use crate::findings::{Entry, Table};
use crate::markdown::head;
use crate::unit::Unit;

const ABREAST: usize = 3;
const HEADING: i32 = 26;
const BAR: i32 = 20;
/// Beside the longest bar, for its number.
const NUMBER: i32 = 80;

pub fn draw(table: &Table, svg: &mut String) -> Result<()> {
    let panels = panels(table);
    let across = panels.len().clamp(1, ABREAST);
    let down = panels.len().div_ceil(across);
    let bars = panels.iter().map(|panel| panel.bars.len()).max().unwrap_or_default();
    let height = HEADING + BAR * bars as i32 + 14;
    let area = canvas(table, svg, down as u32 * height as u32)?;
    for (panel, place) in panels.iter().zip(area.split_evenly((down, across))) {
        panel.draw(&place)?;
    }
    Ok(area.present()?)
}

/// Bars that share a scale.
struct Panel<'a> {
    heading: String,
    bars: Vec<Bar<'a>>,
    unit: Unit,
}

struct Bar<'a> {
    name: String,
    peer: &'static str,
    entry: &'a Entry,
}

/// One for each column, as their scales may be far apart; but one in all if there is one peer.
fn panels(table: &Table) -> Vec<Panel<'_>> {
    if let [row] = &table.rows[..] {
        let bars = table.columns.iter().zip(&row.entries);
        let bars = bars.map(|(column, entry)| Bar { name: head(column), peer: row.peer, entry });
        return vec![Panel { heading: row.peer.to_owned(), bars: bars.collect(), unit: table.unit }];
    }
    let panels = table.columns.iter().enumerate().map(|(nth, column)| {
        let bars = table.rows.iter();
        let bars =
            bars.map(|row| Bar { name: row.peer.to_owned(), peer: row.peer, entry: &row.entries[nth] });
        Panel { heading: head(column), bars: bars.collect(), unit: table.unit }
    });
    panels.collect()
}

impl Panel<'_> {
    fn draw(&self, place: &Area<'_>) -> Result<()> {
        let left = self.names();
        let room = place.dim_in_pixel().0 as i32 - left - NUMBER;
        let scale = f64::from(room) / self.most();
        write(place, &self.heading, (left, HEADING / 2), HPos::Left, INK)?;
        for (nth, bar) in self.bars.iter().enumerate() {
            bar.draw(place, (left, HEADING + BAR * nth as i32 + BAR / 2), scale, self.unit)?;
        }
        Ok(())
    }

    /// The room for names, by the width that a character has at most.
    fn names(&self) -> i32 {
        let longest = self.bars.iter().map(|bar| bar.name.chars().count()).max().unwrap_or_default();
        20 + 7 * longest as i32
    }

    fn most(&self) -> f64 {
        let most = self.bars.iter().filter_map(|bar| Some(bar.entry.spread?.most));
        most.fold(f64::MIN_POSITIVE, f64::max)
    }
}

impl Bar<'_> {
    fn draw(&self, place: &Area<'_>, (left, middle): (i32, i32), scale: f64, unit: Unit) -> Result<()> {
        let ink = if is_ours(self.peer) { OURS } else { INK };
        write(place, &self.name, (left - 6, middle), HPos::Right, ink)?;
        let Some(spread) = self.entry.spread else {
            let text = if self.entry.asked { "failed" } else { "–" };
            return write(place, text, (left + 5, middle), HPos::Left, FAINT);
        };
        // Memory that was given back is less than nothing.
        let [least, median, most] =
            [spread.least, spread.median, spread.most].map(|number| left + (number.max(0.0) * scale) as i32);
        let corners = [(left, middle - BAR / 2 + 3), (median, middle + BAR / 2 - 3)];
        place.draw(&Rectangle::new(corners, color(self.peer).filled()))?;
        place.draw(&PathElement::new(vec![(least, middle), (most, middle)], INK.stroke_width(1)))?;
        write(place, &unit.told(spread.median), (most + 5, middle), HPos::Left, FAINT)
    }
}
