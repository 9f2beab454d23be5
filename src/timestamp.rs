//! A point in time as RFC 3339 has it, in UTC: for `/status` and for Atom feeds.

use serde::{Serialize, Serializer};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time that is written as `2026-11-22T21:34:00Z`; before 1970 it is 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub SystemTime);

impl Timestamp {
    /// This moment.
    pub fn now() -> Self {
        Self(SystemTime::now())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY_SECONDS: u64 = 24 * 60 * 60;
        let since_epoch = self.0.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let (year, month, day) = civil_date(since_epoch / DAY_SECONDS);
        let second_of_day = since_epoch % DAY_SECONDS;
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Year, month and day of the Gregorian calendar, from the days since 1970-01-01.
///
/// Years are counted from March: the leap day is then a year's last, and the months' lengths follow
/// one formula.
fn civil_date(days_since_epoch: u64) -> (u64, u64, u64) {
    const DAYS_0000_03_01_TO_EPOCH: u64 = 719_468;
    const DAYS_400_YEARS: u64 = 146_097;
    const DAYS_100_YEARS: u64 = 36_524;
    const DAYS_4_YEARS: u64 = 1_461;

    let days = days_since_epoch + DAYS_0000_03_01_TO_EPOCH;
    let (era, day_of_era) = (days / DAYS_400_YEARS, days % DAYS_400_YEARS);
    // Days that the leap rule's exceptions have inserted or left out so far in the era.
    let leap_days = day_of_era / (DAYS_4_YEARS - 1) - day_of_era / DAYS_100_YEARS + day_of_era / (DAYS_400_YEARS - 1);
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March to July and August to December are 153 days each.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn known_moments() {
        assert_eq!(at(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399).to_string(), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_782_400).to_string(), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_795_383_245).to_string(), "2026-11-22T21:34:05Z");
        assert_eq!(at(4_107_542_400).to_string(), "2100-03-01T00:00:00Z");
        assert_eq!(
            Timestamp(UNIX_EPOCH - Duration::from_secs(1)).to_string(),
            "1970-01-01T00:00:00Z"
        );
    }

    /// `httpdate` writes the same moments in another form: every day until 2170.
    #[test]
    fn agrees_with_httpdate() {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        for day in 0..73_000_u64 {
            let seconds = day * 86_400 + day * 7_919 % 86_400;
            let Timestamp(moment) = at(seconds);
            // `Sun, 06 Nov 1994 08:49:37 GMT`
            let text = httpdate::fmt_http_date(moment);
            let month = MONTHS.iter().position(|month| *month == &text[8..11]).unwrap() + 1;
            let expected = format!("{}-{month:02}-{}T{}Z", &text[12..16], &text[5..7], &text[17..25]);
            assert_eq!(at(seconds).to_string(), expected);
        }
    }
}
