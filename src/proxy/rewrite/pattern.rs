//! Paths with `{parameter}`s: which text fits one, and what one becomes when its parameters are
//! filled in.

use crate::path::{Piece, pieces};

/// A path, perhaps with a query, in which parameters stand for text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Parameter(String),
}

/// Names and texts of the parameters of a path that fitted.
pub(super) type Values<'a> = Vec<(&'a str, &'a str)>;

impl Pattern {
    /// Reads a path. Braces are parameters, as the configuration has checked; they may be
    /// percent-encoded, as in a URL that was parsed.
    pub(super) fn new(text: &str) -> Self {
        let text = text.replace("%7B", "{").replace("%7D", "}");
        let part = |piece| match piece {
            Piece::Literal(text) => Part::Literal(text.to_owned()),
            Piece::Parameter(name) => Part::Parameter(name.to_owned()),
        };
        Self {
            parts: pieces(&text).into_iter().map(part).collect(),
        }
    }

    /// Whether there is a parameter.
    pub(super) fn is_templated(&self) -> bool {
        self.names().next().is_some()
    }

    /// The parameters' names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Parameter(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The parameters' texts, if this path fits. A parameter is never empty and never reaches
    /// beyond its segment; one that stands there twice is the same twice.
    pub(super) fn fits<'a>(&'a self, path: &'a str) -> Option<Values<'a>> {
        let mut values = Vec::new();
        fits(&self.parts, path, &mut values).then_some(values)
    }

    /// The path with these texts as parameters; `None`: one is missing.
    pub(super) fn filled(&self, values: &Values<'_>) -> Option<String> {
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => path.push_str(text),
                Part::Parameter(name) => {
                    let (_, text) = values.iter().find(|(known, _)| known == name)?;
                    path.push_str(&as_segment(text));
                }
            }
        }
        Some(path)
    }
}

/// A slash can come from a query, where it needs no encoding.
fn as_segment(text: &str) -> String {
    text.replace('/', "%2F").replace('?', "%3F")
}

fn fits<'a>(parts: &'a [Part], path: &'a str, values: &mut Values<'a>) -> bool {
    let Some((first, others)) = parts.split_first() else {
        return path.is_empty();
    };
    match first {
        Part::Literal(text) => path
            .strip_prefix(text.as_str())
            .is_some_and(|rest| fits(others, rest, values)),
        Part::Parameter(name) => {
            let known = values.iter().find(|(other, _)| other == name).map(|(_, text)| *text);
            if let Some(known) = known {
                return path.strip_prefix(known).is_some_and(|rest| fits(others, rest, values));
            }
            let reach = path.find(['/', '?', '&', '#']).unwrap_or(path.len());
            // The longest first: mostly a whole segment, and then the only one that is looked at.
            for end in (1..=reach).rev().filter(|end| path.is_char_boundary(*end)) {
                let before = values.len();
                values.push((name, &path[..end]));
                if fits(others, &path[end..], values) {
                    return true;
                }
                values.truncate(before);
            }
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<'a>(pattern: &'a Pattern, path: &'a str) -> Option<Values<'a>> {
        pattern.fits(path)
    }

    #[test]
    fn a_parameter_is_a_segment_or_a_part_of_one() {
        let whole = Pattern::new("/v1/monitor/{job}");
        assert_eq!(values(&whole, "/v1/monitor/b396-6e"), Some(vec![("job", "b396-6e")]));
        for other in [
            "/v1/monitor/",
            "/v1/monitor",
            "/v1/monitor/a/b",
            "/v1/monitor/a?b",
            "/v2/monitor/a",
        ] {
            assert_eq!(values(&whole, other), None, "{other}");
        }
        let part = Pattern::new("/x/%7Bjob%7D.sse?k=%7Bkey%7D&z");
        assert_eq!(
            values(&part, "/x/a.sse.sse?k=1/2&z"),
            None,
            "a slash ends a parameter in the query too"
        );
        assert_eq!(
            values(&part, "/x/a.sse.sse?k=1&z"),
            Some(vec![("job", "a.sse"), ("key", "1")])
        );
    }

    #[test]
    fn a_parameter_that_stands_there_twice_is_the_same_twice() {
        let twice = Pattern::new("/{a}/{b}/{a}");
        assert_eq!(values(&twice, "/1/2/1"), Some(vec![("a", "1"), ("b", "2")]));
        assert_eq!(values(&twice, "/1/2/3"), None);
    }

    #[test]
    fn parameters_are_filled_in() {
        let path = Pattern::new("/v1/{tenant}/{job}");
        assert_eq!(
            path.filled(&vec![("job", "a%20b"), ("tenant", "t")]).as_deref(),
            Some("/v1/t/a%20b")
        );
        assert_eq!(path.filled(&vec![("job", "a")]), None);
        assert!(path.is_templated() && !Pattern::new("/a").is_templated());
        assert_eq!(Pattern::new("/a").filled(&Vec::new()).as_deref(), Some("/a"));
    }
}
