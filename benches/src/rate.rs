//! How often something was done, and how long it took; and how that comes out of the asking process.

use std::fmt::{self, Display};
use std::str::FromStr;

use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub per_second: f64,
    /// In microseconds, as is `p99`.
    pub p50: f64,
    pub p99: f64,
}

impl Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.per_second, self.p50, self.p99)
    }
}

impl FromStr for Rate {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [per_second, p50, p99] = numbers(line)?;
        Ok(Self { per_second, p50, p99 })
    }
}

/// The numbers of a sample's line. The first is a rate: none at all is no result.
pub fn numbers<const N: usize>(line: &str) -> Result<[f64; N]> {
    let numbers = line.split_whitespace().map(|number| Ok(number.parse()?)).collect::<Result<Vec<f64>>>()?;
    match <[f64; N]>::try_from(numbers) {
        Ok(numbers) if numbers[0] > 0.0 => Ok(numbers),
        _ => Err(format!("`{}` is no result, or nothing was done in time", line.trim()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_survives_the_pipe() {
        let rate = Rate { per_second: 218_000.5, p50: 20.2, p99: 123_000.0 };
        assert_eq!(format!("{rate}\n").parse::<Rate>().unwrap(), rate);
        assert!("0 0 0".parse::<Rate>().is_err());
    }
}
