//! What one measurement of one cell found, and how it comes out of the asking process.

use std::fmt::{self, Display};
use std::str::FromStr;

use crate::Error;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub calls_per_second: f64,
    /// In microseconds, as is `p99`.
    pub p50: f64,
    pub p99: f64,
}

impl Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.calls_per_second, self.p50, self.p99)
    }
}

impl FromStr for Sample {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let numbers = line.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        match numbers[..] {
            [calls_per_second, p50, p99] if calls_per_second > 0.0 => Ok(Self { calls_per_second, p50, p99 }),
            _ => Err(format!("`{}` is no result, or no call was made", line.trim()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_survives_the_pipe() {
        let sample = Sample { calls_per_second: 218_000.5, p50: 20.2, p99: 123_000.0 };
        assert_eq!(format!("{sample}\n").parse::<Sample>().unwrap(), sample);
        assert!("0 0 0".parse::<Sample>().is_err());
    }
}
