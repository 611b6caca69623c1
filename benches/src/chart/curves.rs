//! Curves of medians on logarithmic axes, with the least and the most at each point.

use std::ops::Range;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{FAINT, INK, SMALL, canvas, color};
use crate::Result;
use crate::findings::{Row, Table};
use crate::spread::Spread;
use crate::unit::round_count;

const HEIGHT: u32 = 320;

pub fn draw(table: &Table, svg: &mut String) -> Result<()> {
    let area = canvas(table, svg, HEIGHT)?;
    let points = table.rows.iter().flat_map(|row| points(table, row)).collect::<Vec<_>>();
    let along = points.iter().map(|(along, _)| *along);
    let (Some(x), Some(y)) = (with_a_margin(along), decades(points.iter().map(|(_, spread)| *spread))) else {
        return Ok(area.present()?);
    };
    let mut chart = ChartBuilder::on(&area)
        .margin_right(40)
        .margin_top(8)
        .x_label_area_size(44)
        .y_label_area_size(80)
        .build_cartesian_2d(x.log_scale(), y.log_scale())?;
    chart
        .configure_mesh()
        .axis_style(FAINT)
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(230, 230, 230))
        .label_style(SMALL.into_font().color(&INK))
        .x_desc(table.group)
        .x_label_formatter(&|&number| round_count(number))
        .y_label_formatter(&|&number| table.unit.told(number))
        .draw()?;
    let told = SMALL.into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Bottom));
    for row in &table.rows {
        let color = color(row.peer);
        for (x, spread) in self::points(table, row) {
            let ends = vec![(x, spread.least), (x, spread.most)];
            let point = (x, spread.median);
            chart.draw_series([PathElement::new(ends, color.stroke_width(1))])?;
            chart.draw_series([Circle::new(point, 3, color.filled())])?;
            let text = Text::new(table.unit.told(spread.median), (0, -8), told.clone());
            chart.draw_series([EmptyElement::at(point) + text])?;
        }
        let medians = self::points(table, row).map(|(x, spread)| (x, spread.median));
        chart.draw_series(LineSeries::new(medians, color.stroke_width(2)))?;
    }
    drop(chart);
    Ok(area.present()?)
}

fn points(table: &Table, row: &Row) -> impl Iterator<Item = (f64, Spread)> {
    let pairs = table.columns.iter().zip(&row.entries);
    let points = pairs.filter_map(|(column, entry)| Some((at_least_one(column.along?), entry.spread?)));
    points.filter(|(_, spread)| spread.least > 0.0)
}

/// A logarithmic axis has no nought.
fn at_least_one(number: f64) -> f64 {
    number.max(1.0)
}

fn with_a_margin(numbers: impl Iterator<Item = f64>) -> Option<Range<f64>> {
    let spread = Spread::of(numbers)?;
    Some(spread.least / 1.5..spread.most * 1.5)
}

/// Whole ones, so that what hardly grows looks so.
fn decades(spreads: impl Iterator<Item = Spread>) -> Option<Range<f64>> {
    let spread = Spread::of(spreads.flat_map(|spread| [spread.least, spread.most]))?;
    let (least, most) = (spread.least.log10().floor(), (spread.most * 1.2).log10().ceil());
    Some(10_f64.powf(least) * 0.99..10_f64.powf(most) * 1.01)
}
