//! From when to when a certificate is valid.
//!
//! No crate at hand gives these two times away: `rustls-webpki` checks them and keeps them to
//! itself. They stand at a fixed place of the certificate (RFC 5280, 4.1), so only the elements
//! before them have to be passed over.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// DER's tags (X.690, 8.1.2) that occur on the way.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A certificate's times, in seconds since the epoch. The last second belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
}

impl Validity {
    /// What a certificate in DER says of itself; `None`: it is none.
    pub(crate) fn of(der: &[u8]) -> Option<Self> {
        let (certificate, _) = element(der, SEQUENCE)?;
        let (mut to_be_signed, _) = element(certificate, SEQUENCE)?;
        if to_be_signed.first() == Some(&VERSION) {
            to_be_signed = skip(to_be_signed)?;
        }
        // Serial number, signature algorithm, issuer.
        for _ in 0..3 {
            to_be_signed = skip(to_be_signed)?;
        }
        let (validity, _) = element(to_be_signed, SEQUENCE)?;
        let (not_before, rest) = time(validity)?;
        let (not_after, _) = time(rest)?;
        Some(Self { not_before, not_after })
    }

    /// When it begins.
    pub(crate) fn begin(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.not_before)
    }

    /// When it ends.
    pub(crate) fn end(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.not_after)
    }

    /// From its beginning to its end.
    pub(crate) fn span(self) -> Duration {
        Duration::from_secs(self.not_after.saturating_sub(self.not_before))
    }
}

/// The contents of the first element, and what follows it; `None`: it has another tag.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, contents, rest) = next(der)?;
    (found == tag).then_some((contents, rest))
}

fn skip(der: &[u8]) -> Option<&[u8]> {
    next(der).map(|(_, _, rest)| rest)
}

/// Tag, contents and what follows. Certificates have only tags of one byte, and lengths of up to
/// four more.
fn next(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
            (length, rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

/// RFC 5280, 4.1.2.5: `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` from 2050 on.
fn time(der: &[u8]) -> Option<(u64, &[u8])> {
    let (tag, text, rest) = next(der)?;
    let text = std::str::from_utf8(text.strip_suffix(b"Z")?).ok()?;
    let (year, of_year) = match tag {
        UTC_TIME => {
            let (year, of_year) = text.split_at_checked(2)?;
            let year = number(year)?;
            (if year >= 50 { 1900 + year } else { 2000 + year }, of_year)
        }
        GENERALIZED_TIME => {
            let (year, of_year) = text.split_at_checked(4)?;
            (number(year)?, of_year)
        }
        _ => return None,
    };
    if of_year.len() != 10 {
        return None;
    }
    let part = |at: usize| number(of_year.get(at..at + 2)?);
    let (month, day) = (part(0)?, part(2)?);
    let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days_since_epoch(year, month, day) * 86_400 + (hour * 3600 + minute * 60 + second) as i64;
    // What began before 1970 began long ago.
    Some((u64::try_from(seconds).unwrap_or(0), rest))
}

fn number(digits: &str) -> Option<u32> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// Days of the proleptic Gregorian calendar: years begin in March, so that a leap day is their
/// last.
fn days_since_epoch(year: u32, month: u32, day: u32) -> i64 {
    let (year, month) = (i64::from(year), i64::from(month));
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_months = (153 * month + 2) / 5;
    year * 365 + year / 4 - year / 100 + year / 400 + of_months + i64::from(day) - 1 - DAYS_TO_1970
}

/// From 1 March of the year 0 to 1 January 1970.
const DAYS_TO_1970: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(from: (i32, u8, u8), to: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(to.0, to.1, to.2);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn both_forms_of_time_are_read() {
        let found = |from, to| {
            let validity = Validity::of(&certificate(from, to)).expect("a certificate");
            (validity.not_before, validity.not_after)
        };
        assert_eq!(found((1970, 1, 1), (2049, 12, 31)), (0, 2_524_521_600));
        assert_eq!(found((2024, 2, 29), (2050, 1, 1)), (1_709_164_800, 2_524_608_000));
        assert_eq!(found((2000, 3, 1), (2100, 3, 1)), (951_868_800, 4_107_542_400));
        assert_eq!(found((1951, 1, 1), (2026, 11, 29)).0, 0, "long ago");
    }

    #[test]
    fn what_is_no_certificate_has_no_times() {
        let whole = certificate((2020, 1, 1), (2030, 1, 1));
        for cut in 0..200 {
            assert_eq!(Validity::of(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(Validity::of(b"\x30\x84\xff\xff\xff\xff"), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(mut at in prop::collection::vec((0..300_usize, any::<u8>()), 0..6)) {
            let mut der = certificate((2020, 1, 1), (2030, 1, 1));
            for (index, byte) in at.drain(..) {
                let len = der.len();
                der[index % len] = byte;
            }
            let _ = Validity::of(&der);
        }
    }
}
