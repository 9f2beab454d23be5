//! The normal form of a path, and the paths that have none.

use super::percent;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Why a path has no single meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// `.` or `..`, in whatever spelling: some origins resolve it, others don't.
    #[error("a path has no dot segments")]
    DotSegment,
    /// `\` or `%5c`: a separator to some origins.
    #[error("a path has no backslashes")]
    Backslash,
    /// Two readings of it have different matches.
    #[error("origins read this path differently from each other")]
    Ambiguous,
}

/// A path as all its equivalents are written: characters that need no percent-encoding are decoded,
/// the others encoded, empty segments merged, `;parameters` cut. A slash at the end stays; so does
/// `%2F`.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, BadPath> {
    if is_normal(path) {
        return Ok(Cow::Borrowed(path));
    }
    check(path)?;
    Ok(Cow::Owned(Reading::NORMAL.of(path)))
}

/// The segments of a path of the configuration, the empty ones merged.
pub(crate) fn segments(path: &str) -> impl Iterator<Item = &str> {
    let last = path.split('/').count() - 1;
    let segments = path.split('/').enumerate();
    segments
        .filter(move |(at, segment)| *at == 0 || *at == last || !segment.is_empty())
        .map(|(_, segment)| segment)
}

/// A segment of a path of the configuration in its normal form.
pub(crate) fn normal_segment(segment: &str) -> Cow<'_, str> {
    percent::canonical(segment)
}

/// Most paths: nothing to change, and nothing to find.
fn is_normal(path: &str) -> bool {
    let mut before = 0;
    path.bytes().all(|byte| {
        let after_slash = before == b'/';
        before = byte;
        match byte {
            b'/' | b'.' => !after_slash,
            byte => percent::is_literal(byte),
        }
    })
}

/// Dot segments are looked for with all that could separate segments, or end one, taken for just
/// that.
fn check(path: &str) -> Result<(), BadPath> {
    if path.contains('\\') || path.contains("%5c") || path.contains("%5C") {
        return Err(BadPath::Backslash);
    }
    let separated = Reading::WIDEST.separators(path);
    let is_dots = |segment: &str| {
        let name: Cow<'_, [u8]> = percent_decode_str(name(segment)).into();
        matches!(&*name, b"." | b"..")
    };
    match separated.split('/').any(is_dots) {
        true => Err(BadPath::DotSegment),
        false => Ok(()),
    }
}

/// A segment without its parameters.
fn name(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default()
}

/// One of the ways in which origins read a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Empty segments count for nothing.
    pub(super) merges: bool,
    /// What stands behind a `;` in a segment is no part of its name.
    pub(super) cuts: bool,
    /// The same, but before anything is decoded: up to the next `/` as it was written.
    pub(super) cuts_first: bool,
    /// `%2F` separates segments.
    pub(super) decodes_slashes: bool,
    /// `%3B` is a `;`.
    pub(super) decodes_semicolons: bool,
}

impl Reading {
    /// What paths are compared in.
    const NORMAL: Self = Self {
        merges: true,
        cuts: true,
        cuts_first: false,
        decodes_slashes: false,
        decodes_semicolons: false,
    };

    /// Whatever can be a separator is one.
    const WIDEST: Self = Self {
        merges: true,
        cuts: true,
        cuts_first: false,
        decodes_slashes: true,
        decodes_semicolons: true,
    };

    /// A path as it is read.
    pub(super) fn of(self, path: &str) -> String {
        let cut: Cow<'_, str> = match self.cuts_first {
            true => path.split('/').map(name).collect::<Vec<_>>().join("/").into(),
            false => path.into(),
        };
        let path = self.separators(&cut);
        let last = path.split('/').count() - 1;
        let mut out = String::with_capacity(path.len());
        for (at, segment) in path.split('/').enumerate() {
            let name = match self.cuts {
                true => name(segment),
                false => segment,
            };
            if at > 0 && at < last && name.is_empty() && self.merges {
                continue;
            }
            if at > 0 {
                out.push('/');
            }
            out.push_str(&percent::canonical(name));
        }
        out
    }

    /// The path with the encoded separators decoded that this reading takes for some.
    fn separators(self, path: &str) -> Cow<'_, str> {
        let mut path = Cow::Borrowed(path);
        let mut decode = |codes: [&str; 2], with: &str| {
            for code in codes {
                if path.contains(code) {
                    path = Cow::Owned(path.replace(code, with));
                }
            }
        };
        if self.decodes_slashes {
            decode(["%2f", "%2F"], "/");
        }
        if self.decodes_semicolons {
            decode(["%3b", "%3B"], ";");
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_paths_are_one() {
        for (path, normal) in [
            ("/events", "/events"),
            ("/", "/"),
            ("//", "/"),
            ("*", "*"),
            ("/%65v%65nts", "/events"),
            ("//a///b//", "/a/b/"),
            ("/a;x=1/b;y", "/a/b"),
            ("/a/;x", "/a/"),
            ("/;x/a", "/a"),
            ("/.a/..b/c.", "/.a/..b/c."),
            ("/a%2fb%c3%A4\u{e4}", "/a%2Fb%C3%A4%C3%A4"),
            ("/v1%3aall/a%2Bb+c", "/v1:all/a+b+c"),
            ("/a%3bb", "/a%3Bb"),
            // Once: what is encoded twice is another path.
            ("/%2565", "/%2565"),
            // No percent-encoding: left alone, whatever else the segment holds.
            ("/%/%4/%zz%61/%61", "/%/%4/%zz%61/a"),
            ("/%%34%31", "/%%34%31"),
        ] {
            assert_eq!(normalise(path).as_deref(), Ok(normal), "{path}");
            assert_eq!(normalise(normal).as_deref(), Ok(normal), "{path}");
        }
    }

    #[test]
    fn dot_segments_and_backslashes_have_no_normal_form() {
        for path in [
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/%2e",
            "/%2E%2e/a",
            "/.%2e",
            "/a/..;x/b",
            "/a/.;/b",
            "/a/%2e.;x=1;y/b",
            "/a%2f..",
            "/a%2F../b",
            "/..%2fadmin",
            "/.%2Fa",
            "/a/..%3bx/b",
            "/a;/../b",
            "/a;x%2f..%2fb",
            "/./../x",
            "//../x",
        ] {
            assert_eq!(normalise(path), Err(BadPath::DotSegment), "{path}");
        }
        for path in ["/a\\b", "/\\", "/..%5cadmin", "/a%5C"] {
            assert_eq!(normalise(path), Err(BadPath::Backslash), "{path}");
        }
        for path in ["/...", "/..a", "/%252e%252e/a", "/.%252e", "/a;.."] {
            assert!(normalise(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn paths_of_the_configuration_are_taken_apart_alike() {
        let all = |path| segments(path).collect::<Vec<_>>();
        assert_eq!(all("/a//b/"), ["", "a", "b", ""]);
        assert_eq!(all("/"), ["", ""]);
    }
}
