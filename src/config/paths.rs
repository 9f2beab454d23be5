//! Client paths: `/changelog/sse`, and templated ones, `/v1/monitor/{job}`.

use super::codec::Text;
use super::url;
use crate::path;

/// A checked client path. A parameter is a whole segment and stands for any one that is not empty.
#[derive(Debug, Clone)]
pub(super) struct ClientPath {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter(String),
}

/// A client path, as text.
pub(super) const CLIENT_PATH: Text<String> = Text {
    form: PATH_FORM,
    examples: &["/", "/events", "/a/b", "/jobs/{job}", "/c/{job}/x"],
    parse: |text| ClientPath::parse(text).map(|_| text.to_owned()),
    show: String::clone,
};

/// What is expected where a path stands.
pub(super) const PATH_FORM: &str = "a path such as `/events`, or `/jobs/{job}`";

impl ClientPath {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.starts_with('/') {
            return Err("a path that does not begin with `/`");
        }
        if text.contains(['?', '#']) {
            return Err("a path with a query or a fragment");
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a path with a character that must be percent-encoded");
        }
        let names = url::parameters(text)?;
        check_segments(text)?;
        let segments: Vec<Segment> = path::segments(text).map(segment).collect::<Result<_, _>>()?;
        let path = Self { segments };
        match path.parameters().len() > names.len() {
            true => Err("a path with the same parameter twice"),
            false => Ok(path),
        }
    }

    /// The parameters' names, in order.
    pub(super) fn parameters(&self) -> Vec<&str> {
        self.segments
            .iter()
            .filter_map(|segment| match segment {
                Segment::Parameter(name) => Some(name.as_str()),
                Segment::Literal(_) => None,
            })
            .collect()
    }

    /// The same, in an order that doesn't depend on the path's.
    pub(super) fn sorted_parameters(&self) -> Vec<&str> {
        let mut names = self.parameters();
        names.sort_unstable();
        names
    }

    pub(super) fn is_templated(&self) -> bool {
        !self.parameters().is_empty()
    }

    /// How the two can be told apart.
    pub(super) fn against(&self, other: &Self) -> Overlap {
        if self.segments.len() != other.segments.len() {
            return Overlap::None;
        }
        let mut same = true;
        for (a, b) in self.segments.iter().zip(&other.segments) {
            match (a, b) {
                (Segment::Literal(a), Segment::Literal(b)) if a != b => return Overlap::None,
                (Segment::Literal(literal), Segment::Parameter(_))
                | (Segment::Parameter(_), Segment::Literal(literal)) => {
                    if literal.is_empty() {
                        return Overlap::None;
                    }
                    same = false;
                }
                _ => {}
            }
        }
        match (same, self.is_templated() && other.is_templated()) {
            (true, _) => Overlap::Same,
            (false, true) => Overlap::Ambiguous,
            (false, false) => Overlap::LiteralFirst,
        }
    }
}

/// What two paths have in common.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Overlap {
    /// No request path fits both.
    None,
    /// Every request path fits both, or neither.
    Same,
    /// Some fit both, and nothing says which one is meant.
    Ambiguous,
    /// One is literal and fits the other's template: the literal one is meant.
    LiteralFirst,
}

/// Whether a path of the configuration is one that a request can have.
pub(super) fn check_segments(text: &str) -> Result<(), &'static str> {
    match path::normalise(text) {
        Err(path::BadPath::Backslash) => return Err("a path with a backslash"),
        Err(_) => return Err("a path with a `.` or `..` segment"),
        Ok(_) => {}
    }
    if text.contains(';') {
        return Err("a path with `;`, which begins parameters that are not compared");
    }
    if text.to_ascii_lowercase().contains("%2f") {
        return Err("a path with an encoded slash");
    }
    match path::is_well_formed(text) {
        true => Ok(()),
        false => Err("a path with a `%` that stands before no two hexadecimal digits"),
    }
}

fn segment(text: &str) -> Result<Segment, &'static str> {
    match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) if url::is_parameter_name(name) => Ok(Segment::Parameter(name.to_owned())),
        _ if text.contains(['{', '}']) => Err("a path with a parameter that is only part of a segment"),
        _ => Ok(Segment::Literal(path::normal_segment(text).into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ClientPath {
        ClientPath::parse(text).expect(text)
    }

    #[test]
    fn paths() {
        assert_eq!(path("/a/{x}/b/{y-1}").parameters(), ["x", "y-1"]);
        assert!(!path("/").is_templated());
        for text in [
            "/a/../b", "/a/%2e", "/a\\b", "/a;b", "/a%2Fb", "/%zz", "", "a", "/a?b", "/a#b", "/a b", "/ä", "/{",
            "/a{x}", "/{x}/{x}", "/{}", "/{a b}", "/}x{",
        ] {
            assert!(ClientPath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn overlaps() {
        for (a, b, overlap) in [
            ("/a", "/b", Overlap::None),
            ("/a", "/a/", Overlap::None),
            ("/a", "/a", Overlap::Same),
            ("/a//%62", "/%61/b", Overlap::Same),
            ("/{x}", "/{y}", Overlap::Same),
            ("/{x}", "/", Overlap::None),
            ("/a/{x}", "/b/{x}", Overlap::None),
            ("/a/{x}", "/{y}/b", Overlap::Ambiguous),
            ("/a/{x}", "/{y}/{z}", Overlap::Ambiguous),
            ("/a/{x}", "/a/b", Overlap::LiteralFirst),
        ] {
            assert_eq!(path(a).against(&path(b)), overlap, "{a} {b}");
            assert_eq!(path(b).against(&path(a)), overlap, "{b} {a}");
        }
    }
}
