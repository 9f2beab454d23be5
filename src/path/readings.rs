//! The ways in which origins may read a path, and whether they make a difference.

use super::normal::{BadPath, Reading, normalise};

/// What a path matches, if it matches the same in every reading of it. `matched` is given paths in
/// the form of [`normalise`], but for what a reading does differently.
///
/// Servers disagree about whether empty segments count (nginx and Tomcat merge them, Node does
/// not), whether a `;` ends a name (Tomcat) or is a part of it (nginx, Node), whether `%2F`
/// separates segments (nginx), and `//name/` at the beginning is a host for a server that resolves
/// the target as a reference (`new URL(request.url, base)`).
pub fn one_meaning<T: PartialEq>(path: &str, matched: impl Fn(&str) -> T) -> Result<T, BadPath> {
    let meant = matched(&normalise(path)?);
    match !is_read_in_one_way(path) && readings(path).any(|reading| matched(&reading) != meant) {
        true => Err(BadPath::Ambiguous),
        false => Ok(meant),
    }
}

fn is_read_in_one_way(path: &str) -> bool {
    let has_code = |code: [&str; 2]| code.iter().any(|code| path.contains(code));
    !path.contains(';') && !path.contains("//") && !has_code(["%2f", "%2F"]) && !has_code(["%3b", "%3B"])
}

fn readings(path: &str) -> impl Iterator<Item = String> {
    let paths = std::iter::once(path).chain(without_authority(path));
    paths.flat_map(|path| {
        (0..32_u8).map(move |choices| {
            let chosen = |nth: u8| choices & (1 << nth) != 0;
            let reading = Reading {
                merges: chosen(0),
                cuts: chosen(1),
                decodes_slashes: chosen(2),
                decodes_semicolons: chosen(3),
                cuts_first: chosen(4),
            };
            reading.of(path)
        })
    })
}

/// The path of a target that is taken for `//host/path` (RFC 3986, 4.2; the URL standard ignores
/// further slashes).
fn without_authority(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("//")?.trim_start_matches('/');
    Some(rest.find('/').map_or("/", |at| &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_left_in_no_reading() {
        for (path, expected) in [
            ("/app/", Ok(true)),
            ("/app/a/b", Ok(true)),
            ("/%61pp/a", Ok(true)),
            ("/app//a", Ok(true)),
            ("/app/a;x=1/b", Ok(true)),
            ("/app/a%2fb", Ok(true)),
            ("/app/a%3Bb", Ok(true)),
            ("/app", Ok(false)),
            ("/other;x", Ok(false)),
            ("//app/admin", Err(BadPath::Ambiguous)),
            ("//other/app/x", Err(BadPath::Ambiguous)),
            ("///other/app/x", Err(BadPath::Ambiguous)),
            ("/app;x/admin", Err(BadPath::Ambiguous)),
            ("/;x/app/admin", Err(BadPath::Ambiguous)),
            ("/app%2fadmin", Err(BadPath::Ambiguous)),
            ("/app%3bx/admin", Err(BadPath::Ambiguous)),
            ("/app/../admin", Err(BadPath::DotSegment)),
        ] {
            let matched = one_meaning(path, |path| path.starts_with("/app/"));
            assert_eq!(matched, expected, "{path}");
        }
    }

    #[test]
    fn a_name_is_spelled_in_no_other_way() {
        for path in [
            "/sse%3bx",
            "/sse;x",
            "//host/sse",
            "/%2fsse",
            "/;x%2fsse",
            "/%2fsse;%2f",
        ] {
            let matched = one_meaning(path, |path| path == "/sse");
            assert_ne!(matched, Ok(false), "{path}");
        }
    }
}
