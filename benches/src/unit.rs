//! What numbers are numbers of, and how they are told.

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Unit {
    #[serde(rename = "a second")]
    PerSecond,
    #[serde(rename = "µs")]
    Microseconds,
    #[serde(rename = "MB/s")]
    MegabytesPerSecond,
    #[serde(rename = "bytes")]
    Bytes,
    #[serde(rename = "")]
    Number,
}

impl Unit {
    pub fn told(self, number: f64) -> String {
        match self {
            Self::PerSecond => count(number),
            Self::Microseconds => time(number),
            Self::MegabytesPerSecond => speed(number),
            Self::Bytes => bytes(number),
            Self::Number => format!("{number:.1}"),
        }
    }

    pub fn is_better_if_more(self) -> bool {
        matches!(self, Self::PerSecond | Self::MegabytesPerSecond)
    }
}

pub fn count(number: f64) -> String {
    match number {
        1e6.. => format!("{:.2} M", number / 1e6),
        1e3.. => format!("{:.1} k", number / 1e3),
        _ => format!("{number:.0}"),
    }
}

/// For the ticks of an axis.
pub fn round_count(number: f64) -> String {
    match number {
        1e6.. => format!("{:.0} M", number / 1e6),
        1e3.. => format!("{:.0} k", number / 1e3),
        _ => format!("{number:.0}"),
    }
}

fn time(microseconds: f64) -> String {
    match microseconds {
        1e3.. => format!("{:.2} ms", microseconds / 1e3),
        1.0.. => format!("{microseconds:.1} µs"),
        _ => format!("{microseconds:.2} µs"),
    }
}

fn speed(megabytes: f64) -> String {
    if megabytes >= 1e3 { format!("{:.2} GB/s", megabytes / 1e3) } else { format!("{megabytes:.0} MB/s") }
}

fn bytes(number: f64) -> String {
    match number.abs() {
        1e6.. => format!("{:.2} MB", number / 1e6),
        1e3.. => format!("{:.1} kB", number / 1e3),
        _ => format!("{number:.0} B"),
    }
}

pub fn multiple(ratio: f64) -> String {
    match ratio {
        ..0.095 => format!("{ratio:.3} ×"),
        ..0.95 => format!("{ratio:.2} ×"),
        ..9.95 => format!("{ratio:.1} ×"),
        _ => format!("{ratio:.0} ×"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_with_three_figures_or_so() {
        assert_eq!(Unit::PerSecond.told(1_370_000.0), "1.37 M");
        assert_eq!(Unit::PerSecond.told(700_000.0), "700.0 k");
        assert_eq!(Unit::Microseconds.told(0.73), "0.73 µs");
        assert_eq!(Unit::Microseconds.told(2_000.0), "2.00 ms");
        assert_eq!(Unit::Bytes.told(-1_200.0), "-1.2 kB");
        assert_eq!(
            (multiple(0.5), multiple(5.9), multiple(12.4)),
            ("0.50 ×".into(), "5.9 ×".into(), "12 ×".into())
        );
    }
}
