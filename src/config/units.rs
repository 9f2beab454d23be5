//! Durations and byte sizes, written with their units.

use std::time::Duration;

/// The longest duration that a file may name: sums of several stay far from an `Instant`'s end.
pub(super) const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Units of durations, largest first, in milliseconds.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Units of byte sizes. The binary ones come first in what is printed.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// What a duration looks like, for messages.
pub(super) const DURATION_FORM: &str = "a duration with its unit, such as `250ms`, `10s`, `5m` or `1h30m`";

/// What a byte size looks like, for messages.
pub(super) const SIZE_FORM: &str = "a size with its unit, such as `512B`, `64KiB` or `16MiB`";

/// Reads `10s`, `1h30m`, `1.5s`, `0`. The units of one duration descend. The error is a hint, or
/// nothing.
pub(super) fn duration(text: &str) -> Result<Duration, Option<&'static str>> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut total_ms, mut rest, mut last_unit_ms) = (0_u64, text, u64::MAX);
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let unit_len = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        if number.is_empty() {
            return Err(None);
        }
        if unit.is_empty() {
            return Err(Some("the unit is missing"));
        }
        let unit_ms = DURATION_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, ms)| *ms)
            .ok_or(None)?;
        if unit_ms >= last_unit_ms {
            return Err(Some("larger units come first, each once"));
        }
        last_unit_ms = unit_ms;
        let part_ms = scale(number, unit_ms).ok_or(Some("it is no whole number of milliseconds, or too long"))?;
        total_ms = total_ms.checked_add(part_ms).ok_or(Some("it is too long"))?;
        rest = after.trim_start_matches(' ');
    }
    let total = Duration::from_millis(total_ms);
    match total {
        _ if text.is_empty() => Err(None),
        _ if total > DURATION_MAX => Err(Some("it is longer than 366 days")),
        _ => Ok(total),
    }
}

/// Reads a duration as the file has it, `1h30m`; the error says what is expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|hint| match hint {
        Some(hint) => format!("expected {DURATION_FORM}; {hint}"),
        None => format!("expected {DURATION_FORM}"),
    })
}

/// Reads `16MiB`, `1.5 GiB`, `512B`, `0`. The error is a hint, or nothing.
pub(super) fn size(text: &str) -> Result<u64, Option<&'static str>> {
    if text == "0" {
        return Ok(0);
    }
    let (number, unit) = split_number(text);
    let unit = unit.trim_start_matches(' ');
    if number.is_empty() {
        return Err(None);
    }
    let Some((_, unit_bytes)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(match unit.to_ascii_lowercase().as_str() {
            "" => Some("the unit is missing"),
            "k" | "kb" | "kib" => Some("write `KiB` (1024 bytes) or `kB` (1000 bytes)"),
            "m" | "mb" | "mib" => Some("write `MiB` (1024 KiB) or `MB` (1000 kB)"),
            "g" | "gb" | "gib" => Some("write `GiB` (1024 MiB) or `GB` (1000 MB)"),
            "b" | "bytes" => Some("write `B`"),
            _ => None,
        });
    };
    scale(number, *unit_bytes).ok_or(Some("it is no whole number of bytes, or too large"))
}

/// Writes a duration so that [`duration`] reads it back; below a millisecond is cut off.
pub(super) fn format_duration(duration: Duration) -> String {
    let mut rest_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest_ms == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, unit_ms) in DURATION_UNITS {
        if rest_ms >= unit_ms {
            out.push_str(&format!("{}{unit}", rest_ms / unit_ms));
            rest_ms %= unit_ms;
        }
    }
    out
}

/// Writes a byte size so that [`size`] reads it back, in the largest unit that divides it.
pub(super) fn format_size(bytes: u64) -> String {
    SIZE_UNITS
        .iter()
        .find(|(_, unit_bytes)| bytes >= *unit_bytes && bytes.is_multiple_of(*unit_bytes))
        .map_or_else(
            || "0".to_owned(),
            |(unit, unit_bytes)| format!("{}{unit}", bytes / unit_bytes),
        )
}

/// A byte size for people: one digit behind the point, in the largest unit that it fills.
pub(super) fn about_size(bytes: u64) -> String {
    let (mut number, mut unit) = (bytes as f64, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if number < 1024.0 {
            break;
        }
        (number, unit) = (number / 1024.0, larger);
    }
    // Downwards: what is allowed is not exceeded by rounding.
    let number = (number * 10.0).floor() / 10.0;
    format!("{number}{unit}")
}

/// The digits in front, with at most one point among them, and what follows.
fn split_number(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// `number` times `unit`, if that is a whole number that fits.
fn scale(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // Nine digits after the point, and no second point: more than any unit can use.
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let denominator = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let numerator = u128::from(whole.parse::<u64>().ok()?) * denominator + fraction.parse::<u128>().ok()?;
    let scaled = numerator.checked_mul(u128::from(unit))?;
    (scaled % denominator == 0).then(|| u64::try_from(scaled / denominator).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("0", 0),
            ("0s", 0),
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1.5s", 1_500),
            ("2d", 172_800_000),
            ("1m30s500ms", 90_500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "",
            "10",
            "s",
            "-1s",
            "10 s s",
            "10x",
            "30m1h",
            "1s1s",
            "0.0001s",
            "1..5s",
            ".5s",
            "1.s",
            "99999999999d",
            "∞",
            "1S",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("512B", 512),
            ("1KiB", 1024),
            ("16MiB", 16 << 20),
            ("1.5GiB", 3 << 29),
            ("10 MB", 10_000_000),
            ("1kB", 1000),
            ("2GB", 2_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "16",
            "16M",
            "16mib",
            "-1B",
            "0.5B",
            "99999999TiB",
            "MiB",
            "1 024B",
            "1e3B",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(size("16M"), Err(Some("write `MiB` (1024 KiB) or `MB` (1000 kB)")));
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in 0..DURATION_MAX.as_secs() * 1000, bytes in 0..u64::MAX / 2) {
            let span = Duration::from_millis(ms);
            proptest::prop_assert_eq!(duration(&format_duration(span)), Ok(span));
            proptest::prop_assert_eq!(size(&format_size(bytes)), Ok(bytes));
        }

        #[test]
        fn nothing_panics(text in "[0-9.a-zA-Z ]{0,40}") {
            let _ = (duration(&text), size(&text));
        }
    }
}
