//! When calls are meant to begin: a Poisson process, the same for every peer.

use std::time::Duration;

/// Offsets from the beginning, without end. Calls come independently of each other and of their answers.
pub struct Arrivals {
    random: SplitMix64,
    per_second: f64,
    seconds: f64,
}

impl Arrivals {
    pub fn new(per_second: u64, seed: u64) -> Self {
        Self { random: SplitMix64(seed), per_second: per_second as f64, seconds: 0.0 }
    }

    /// Those before the end.
    pub fn until(self, end: Duration) -> impl Iterator<Item = Duration> {
        self.take_while(move |&arrival| arrival < end)
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    /// Gaps of a Poisson process are exponential.
    fn next(&mut self) -> Option<Duration> {
        self.seconds -= (1.0 - self.random.unit()).ln() / self.per_second;
        Some(Duration::from_secs_f64(self.seconds))
    }
}

/// Sebastiano Vigna's generator: enough for gaps, and the same numbers everywhere.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to less than 1, as exactly as an `f64` can.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 200_000;

    fn gaps(per_second: u64) -> Vec<f64> {
        let times = Arrivals::new(per_second, 1).take(MANY).map(|at| at.as_secs_f64()).collect::<Vec<_>>();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    #[test]
    fn gaps_are_exponential_with_the_mean_that_the_rate_wants() {
        let gaps = gaps(1_000);
        let count = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / count;
        assert!((mean * 1_000.0 - 1.0).abs() < 0.01, "{mean}");
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.01, "{variance}");
        for times in [0.1_f64, 1.0, 3.0] {
            let longer = gaps.iter().filter(|gap| **gap > times * mean).count() as f64 / count;
            assert!((longer - (-times).exp()).abs() < 0.005, "{times}: {longer}");
        }
    }

    #[test]
    fn a_gap_tells_nothing_of_the_next() {
        let gaps = gaps(1_000);
        let after_long =
            gaps.windows(2).filter(|pair| pair[0] > 2e-3).map(|pair| pair[1]).collect::<Vec<_>>();
        let mean = after_long.iter().sum::<f64>() / after_long.len() as f64;
        assert!((mean * 1_000.0 - 1.0).abs() < 0.03, "{mean}");
    }

    #[test]
    fn a_seed_has_one_schedule_and_its_end_is_kept() {
        let schedule =
            |seed| Arrivals::new(10_000, seed).until(Duration::from_millis(500)).collect::<Vec<_>>();
        assert_eq!(schedule(1), schedule(1));
        assert_ne!(schedule(1), schedule(2));
        assert!(schedule(1).is_sorted() && schedule(1).last().unwrap() < &Duration::from_millis(500));
        assert!((4_700..5_300).contains(&schedule(1).len()));
    }
}
