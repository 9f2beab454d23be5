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

impl Timestamp {
    /// Reads a time of RFC 3339 (5.6), with any offset; fractions of a second count to the
    /// nanosecond. One before 1970 is 1970. `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let rest = rest.strip_prefix(['T', 't', ' '])?;
        let (time, rest) = rest.split_at_checked(8)?;
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        // 5.7: a leap second is the next minute's first.
        let in_range = hour < 24 && minute < 60 && second <= 60 && (1..=12).contains(&month) && day >= 1;
        if !in_range {
            return None;
        }
        let (nanos, rest) = fraction(rest)?;
        let offset = offset_seconds(rest)?;
        if year < 1970 {
            return Some(Self(UNIX_EPOCH));
        }
        let days = days_since_epoch(year, month, day);
        if civil_date(days) != (year, month, day) {
            return None; // There is no such day.
        }
        let seconds = days * DAY_SECONDS + hour * 3600 + minute * 60 + second;
        let seconds = seconds.saturating_add_signed(-offset);
        UNIX_EPOCH.checked_add(Duration::new(seconds, nanos)).map(Self)
    }
}

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Numbers of so many digits, with a mark between them.
fn numbers<const N: usize>(text: &str, mark: char, digits: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(mark);
    let mut read = [0; N];
    for (number, digits) in read.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        *number = is_number.then(|| part.parse().ok()).flatten()?;
    }
    parts.next().is_none().then_some(read)
}

/// The nanoseconds of a fraction, if one begins here, and what follows.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(after) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let len = after.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = after.split_at(len);
    let nanos = format!("{digits:0<9}").get(..9)?.parse().ok()?;
    (len > 0).then_some((nanos, rest))
}

/// How far ahead of UTC a time is.
fn offset_seconds(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = text.split_at_checked(1)?;
    let [hours, minutes] = numbers(rest, ':', [2, 2])?;
    let seconds = i64::try_from(hours * 3600 + minutes * 60).ok()?;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        "+" => Some(seconds),
        "-" => Some(-seconds),
        _ => None,
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// The days from 1970-01-01 to a date, which is no earlier: the way back of [`civil_date`].
fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    const DAYS_0000_03_01_TO_EPOCH: u64 = 719_468;
    let (year, month_from_march) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - DAYS_0000_03_01_TO_EPOCH
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

    #[test]
    fn what_is_written_is_read() {
        for day in 0..73_000_u64 {
            let moment = at(day * 86_400 + day * 7_919 % 86_400);
            assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
        }
    }

    #[test]
    fn times_are_read_as_the_standard_has_them() {
        let ms = |seconds, ms| Timestamp(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(ms));
        for (text, expected) in [
            ("2026-11-22T21:34:05Z", Some(at(1_795_383_245))),
            ("2026-11-22t21:34:05z", Some(at(1_795_383_245))),
            ("2026-11-22 22:34:05+01:00", Some(at(1_795_383_245))),
            ("2026-11-22T15:04:05.25-06:30", Some(ms(1_795_383_245, 250))),
            ("2016-12-31T23:59:60Z", Some(at(1_483_228_800))),
            ("1900-01-01T00:00:00Z", Some(at(0))),
            ("1970-01-01T00:30:00+01:00", Some(at(0))),
            ("2026-11-22T21:34:05", None),
            ("2026-11-22T21:34Z", None),
            ("2026-11-22", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-00-10T00:00:00Z", None),
            ("2026-13-10T00:00:00Z", None),
            ("2026-11-22T24:00:00Z", None),
            ("2026-11-22T21:34:05.Z", None),
            ("2026-11-22T21:34:05+1:00", None),
            ("2026-11-22T21:34:05+24:00", None),
            ("+026-11-22T21:34:05Z", None),
            ("2026-11-22T21:34:05Zx", None),
            ("2026-11-2\u{e9}T21:34:05Z", None),
            ("", None),
        ] {
            assert_eq!(Timestamp::parse(text), expected, "{text}");
        }
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
