//! `Latencies`: how long each of many commits took, and the percentiles of that.
//! It never measures. Next door: `workload/latency`, which does; `measure`, whose figures these become.

use std::time::Duration;

use crate::measure::{Figure, Unit};

/// The times that many operations took, one by one.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    nanos: Vec<u64>,
}

impl Latencies {
    /// Adds one.
    pub fn push(&mut self, took: Duration) {
        self.nanos
            .push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds those of another thread.
    pub fn extend(&mut self, other: Self) {
        self.nanos.extend(other.nanos);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.nanos.len()
    }

    /// The percentiles worth telling.
    #[must_use]
    pub fn percentiles(mut self) -> Percentiles {
        self.nanos.sort_unstable();
        Percentiles {
            p50: self.rank(500),
            p99: self.rank(990),
            p999: self.rank(999),
        }
    }

    /// The least time that so many in a thousand did not exceed (the nearest rank), in microseconds. Sorted before.
    fn rank(&self, in_a_thousand: usize) -> f64 {
        let rank = (self.nanos.len() * in_a_thousand).div_ceil(1_000);
        let nanos = self.nanos.get(rank.saturating_sub(1));
        nanos.map_or(f64::NAN, |nanos| *nanos as f64 / 1e3)
    }
}

/// Percentiles of latencies, microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentiles {
    /// Half took no longer.
    pub p50: f64,
    /// 99 in 100 took no longer.
    pub p99: f64,
    /// 999 in 1,000 took no longer; of fewer than 1,000 this is the longest.
    pub p999: f64,
}

impl Percentiles {
    /// As lines of a measure.
    #[must_use]
    pub fn figures(self, of: &str) -> [Figure; 3] {
        [("p50", self.p50), ("p99", self.p99), ("p99.9", self.p999)]
            .map(|(name, value)| Figure::new(format!("{of}, {name}"), Unit::Micros, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        for micros in micros {
            latencies.push(Duration::from_micros(micros));
        }
        latencies
    }

    /// The slow twin: counts for each time how many it is not less than.
    fn counted(micros: &[u64], in_a_thousand: usize) -> f64 {
        let enough = |least: &u64| {
            micros.iter().filter(|other| *other <= least).count() * 1_000
                >= micros.len() * in_a_thousand
        };
        let least = micros.iter().copied().filter(enough).min();
        least.map_or(f64::NAN, |micros| micros as f64)
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let found = of((1..=1_000).rev()).percentiles();
        let expected = Percentiles {
            p50: 500.0,
            p99: 990.0,
            p999: 999.0,
        };
        assert_eq!(found, expected);
        let found = of([7]).percentiles();
        assert_eq!((found.p50, found.p99, found.p999), (7.0, 7.0, 7.0));
        assert!(of([]).percentiles().p50.is_nan());
    }

    #[test]
    fn of_few_the_longest_is_told() {
        assert_eq!(of(1..=99).percentiles().p99, 99.0);
        assert_eq!(of(1..=100).percentiles().p99, 99.0);
        assert_eq!(of(1..=999).percentiles().p999, 999.0);
    }

    #[test]
    fn percentiles_are_those_that_counting_finds() {
        let mut state = 12_345_u64;
        for count in 1..200 {
            let micros: Vec<u64> = (0..count)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    state >> 58
                })
                .collect();
            let (front, back) = micros.split_at(count / 3);
            let mut latencies = of(front.iter().copied());
            latencies.extend(of(back.iter().copied()));
            assert_eq!(latencies.count(), count);
            let found = latencies.percentiles();
            assert_eq!(found.p50, counted(&micros, 500), "{micros:?}");
            assert_eq!(found.p99, counted(&micros, 990), "{micros:?}");
            assert_eq!(found.p999, counted(&micros, 999), "{micros:?}");
        }
    }
}
