//! How far clients are behind, in few numbers.

/// How far the clients are behind the head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct LagStatus {
    /// In events.
    pub events: Quantiles,
    /// In bytes.
    pub bytes: Quantiles,
    /// How many clients are how many events behind.
    pub spread: LagSpread,
}

/// How many clients are so many events behind: a distribution by powers of ten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct LagSpread {
    /// At the head.
    #[serde(rename = "0")]
    pub none: u64,
    /// 1 to 9.
    #[serde(rename = "1")]
    pub few: u64,
    /// 10 to 99.
    #[serde(rename = "10")]
    pub tens: u64,
    /// 100 to 999.
    #[serde(rename = "100")]
    pub hundreds: u64,
    /// 1,000 to 9,999.
    #[serde(rename = "1000")]
    pub thousands: u64,
    /// More.
    #[serde(rename = "10000")]
    pub more: u64,
}

impl LagSpread {
    /// Of these lags, in events.
    pub fn of(lags: &[u64]) -> Self {
        let mut spread = Self::default();
        for lag in lags {
            *match lag {
                0 => &mut spread.none,
                1..10 => &mut spread.few,
                10..100 => &mut spread.tens,
                100..1_000 => &mut spread.hundreds,
                1_000..10_000 => &mut spread.thousands,
                10_000.. => &mut spread.more,
            } += 1;
        }
        spread
    }
}

/// What is shown of a distribution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Quantiles {
    /// Half of the values are no greater.
    pub p50: u64,
    /// 99 of 100 values are no greater.
    pub p99: u64,
    /// No value is greater.
    pub max: u64,
}

impl Quantiles {
    /// By the nearest rank, so that each is one of the values; zeros if there is none. Reorders
    /// `values`.
    pub fn of(values: &mut [u64]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let mut percentile = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100);
            *values.select_nth_unstable(rank.max(1) - 1).1
        };
        Self {
            p50: percentile(50),
            p99: percentile(99),
            max: percentile(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_values() {
        assert_eq!(Quantiles::of(&mut []), Quantiles::default());
        assert_eq!(Quantiles::of(&mut [7]), Quantiles { p50: 7, p99: 7, max: 7 });
        assert_eq!(Quantiles::of(&mut [2, 1]), Quantiles { p50: 1, p99: 2, max: 2 });
        let mut hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(
            Quantiles::of(&mut hundred),
            Quantiles {
                p50: 50,
                p99: 99,
                max: 100
            }
        );
        // One stalled client of 1,000 shows in the maximum alone.
        let mut thousand = vec![0; 1000];
        thousand[500] = 9;
        assert_eq!(Quantiles::of(&mut thousand), Quantiles { p50: 0, p99: 0, max: 9 });
    }

    proptest! {
        #[test]
        fn quantiles_mean_what_they_say(mut values in prop::collection::vec(0..50_u64, 1..300)) {
            let quantiles = Quantiles::of(&mut values);
            for (value, percent) in [(quantiles.p50, 50), (quantiles.p99, 99), (quantiles.max, 100)] {
                let not_greater = values.iter().filter(|v| **v <= value).count();
                let less = values.iter().filter(|v| **v < value).count();
                prop_assert!(not_greater * 100 >= values.len() * percent);
                prop_assert!(less * 100 < values.len() * percent);
            }
        }
    }

    #[test]
    fn lags_are_spread_by_powers_of_ten() {
        let spread = LagSpread::of(&[0, 0, 1, 9, 10, 999, 1_000, 10_000, u64::MAX]);
        let json = serde_json::to_string(&spread).unwrap();
        assert_eq!(json, r#"{"0":2,"1":2,"10":1,"100":1,"1000":1,"10000":2}"#);
    }
}
