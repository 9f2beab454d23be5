//! Templated paths: which parameters a request's path holds, and an upstream's URL with them.

use super::{decode, encode_component, normal_segment, segments};
use std::sync::Arc;

/// Longest value of a parameter, in bytes after decoding.
const VALUE_BYTES_MAX: usize = 256;

/// A client path with `{parameter}` segments.
#[derive(Debug)]
pub(crate) struct Template {
    segments: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
    Literal(String),
    Parameter(Arc<str>),
}

/// The parameters of a request's path with their values, decoded; by name, so that they are the
/// same whichever of a source's paths they came by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Parameters(Box<[(Arc<str>, Box<str>)]>);

/// Why a path that fits a template can't be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadParameter {
    /// Not percent-encoded UTF-8, or with characters that no part of a path may hold.
    Malformed,
    /// Longer than any name is.
    TooLong,
}

impl Template {
    /// A checked path of the configuration.
    pub(crate) fn new(path: &str) -> Self {
        let segment = |text: &str| match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Segment::Parameter(name.into()),
            None => Segment::Literal(normal_segment(text).into_owned()),
        };
        Self {
            segments: segments(path).map(segment).collect(),
        }
    }

    /// The same parameters by their names and values, as [`Parameters::pairs`] gives them. `None`: the
    /// template has others.
    pub(crate) fn fit_pairs(&self, pairs: &[(String, String)]) -> Option<Parameters> {
        let names = self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name),
            Segment::Literal(_) => None,
        });
        let mut names: Vec<_> = names.cloned().collect();
        names.sort_unstable();
        let is_one = |(name, pair): (&Arc<str>, &(String, String))| **name == *pair.0 && is_value(&pair.1);
        let fits = names.len() == pairs.len() && names.iter().zip(pairs).all(is_one);
        let values = pairs.iter().map(|(_, value)| value.as_str().into());
        fits.then(|| Parameters(names.into_iter().zip(values).collect()))
    }

    /// The parameters in a request's path (in its normal form), if it fits. An empty segment is no
    /// value.
    pub(crate) fn fit(&self, path: &str) -> Option<Result<Parameters, BadParameter>> {
        let mut raw = Vec::new();
        let mut parts = path.split('/');
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Literal(literal) if literal == part => {}
                Segment::Parameter(name) if !part.is_empty() => raw.push((name, part)),
                _ => return None,
            }
        }
        if parts.next().is_some() {
            return None;
        }
        raw.sort_unstable();
        let decoded = raw.into_iter().map(|(name, part)| Ok((name.clone(), value(part)?)));
        Some(decoded.collect::<Result<_, _>>().map(Parameters))
    }
}

impl Parameters {
    /// Names and values, in the order of the names.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let pairs = self.0.iter();
        pairs
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    /// All of it as one text, which no others have.
    pub(crate) fn key(&self) -> String {
        let part =
            |(name, value): &(Arc<str>, Box<str>)| format!("{}={}", encode_component(name), encode_component(value));
        self.0.iter().map(part).collect::<Vec<_>>().join("&")
    }

    /// A URL of the source's with the values put in. Everything but unreserved characters is
    /// encoded: a value is one segment, or one value of a query.
    pub(crate) fn fill(&self, url: &str) -> String {
        let value = |name: &str| self.0.iter().find(|(known, _)| &**known == name);
        fill(url, |name| Some(encode_component(&value(name)?.1).to_string()))
    }
}

/// A part of a text with `{parameter}`s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// What stands for itself.
    Literal(&'a str),
    /// The name of a parameter.
    Parameter(&'a str),
}

/// The parts of a text with `{parameter}`s, in order; none of them is empty.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((literal, (name, after))) = rest
        .split_once('{')
        .and_then(|(literal, behind)| Some((literal, behind.split_once('}')?)))
    {
        pieces.extend((!literal.is_empty()).then_some(Piece::Literal(literal)));
        pieces.push(Piece::Parameter(name));
        rest = after;
    }
    pieces.extend((!rest.is_empty()).then_some(Piece::Literal(rest)));
    pieces
}

/// A text with its `{parameter}`s replaced. One without a value stays as it is.
pub(crate) fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let filled = |piece| match piece {
        Piece::Literal(text) => text.to_owned(),
        Piece::Parameter(name) => value(name).unwrap_or_else(|| format!("{{{name}}}")),
    };
    pieces(text).into_iter().map(filled).collect()
}

/// Decoded once. What could mean another path at the origin (separators, dots, what is encoded
/// twice stays encoded), or break a line anywhere, is no value.
fn value(segment: &str) -> Result<Box<str>, BadParameter> {
    let bytes = decode(segment).ok_or(BadParameter::Malformed)?;
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(BadParameter::TooLong);
    }
    let value = String::from_utf8(bytes.into_owned()).map_err(|_| BadParameter::Malformed)?;
    match is_value(&value) {
        true => Ok(value.into()),
        false => Err(BadParameter::Malformed),
    }
}

fn is_value(value: &str) -> bool {
    let separates = |c: char| matches!(c, '/' | '\\') || c.is_control();
    value.len() <= VALUE_BYTES_MAX && !value.contains(separates) && value != "." && value != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_taken_apart_at_their_parameters() {
        use Piece::{Literal, Parameter};
        for (text, expected) in [
            ("", vec![]),
            ("/a", vec![Literal("/a")]),
            (
                "/{a}{b}?x={a}",
                vec![
                    Literal("/"),
                    Parameter("a"),
                    Parameter("b"),
                    Literal("?x="),
                    Parameter("a"),
                ],
            ),
            ("{a}/{", vec![Parameter("a"), Literal("/{")]),
            ("}{a}", vec![Literal("}"), Parameter("a")]),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
            assert_eq!(fill(text, |_| None), text);
        }
        assert_eq!(
            fill("/{a}/{b}", |name| (name == "a").then(|| "{b}".to_owned())),
            "/{b}/{b}"
        );
    }

    fn fit(template: &str, path: &str) -> Option<Result<Vec<String>, BadParameter>> {
        let fitted = Template::new(template).fit(path)?;
        Some(fitted.map(|parameters| parameters.0.iter().map(|(_, value)| value.to_string()).collect()))
    }

    fn values(values: &[&str]) -> Option<Result<Vec<String>, BadParameter>> {
        Some(Ok(values.iter().map(|&value| value.to_owned()).collect()))
    }

    #[test]
    fn paths_that_fit() {
        assert_eq!(
            fit("/v1/monitor/{job}", "/v1/monitor/b396-6eb2"),
            values(&["b396-6eb2"])
        );
        assert_eq!(fit("/{a}/x/{b}", "/1/x/2"), values(&["1", "2"]));
        assert_eq!(fit("/{b}/x/{a}", "/1/x/2"), values(&["2", "1"]));
        assert_eq!(fit("/{a}", "/%C3%A4%20%2B+"), values(&["ä ++"]));
        for (template, path) in [
            ("/v1/{job}", "/v1/"),
            ("/v1/{job}", "/v1"),
            ("/v1/{job}", "/v1/a/"),
            ("/v1/{job}", "/v1/a/b"),
            ("/v1/{job}", "/v2/a"),
            ("/v1/{job}", "//v1/a"),
            ("/{a}/x", "//x"),
        ] {
            assert_eq!(fit(template, path), None, "{template} {path}");
        }
    }

    #[test]
    fn parameters_go_over_as_pairs() {
        let template = Template::new("/{b}/x/{a}");
        let parameters = template.fit("/1/x/%C3%A4%2B").expect("fits").expect("good");
        let pairs = parameters.pairs();
        assert_eq!(template.fit_pairs(&pairs), Some(parameters));
        assert_eq!(Template::new("/{a}/{c}").fit_pairs(&pairs), None);
        assert_eq!(template.fit_pairs(&pairs[..1]), None);
        let other = |value: &str| [("a".to_owned(), value.to_owned()), pairs[1].clone()];
        assert!(template.fit_pairs(&other("x")).is_some());
        assert_eq!(
            [other(".."), other("a/b")].map(|pairs| template.fit_pairs(&pairs)),
            [None, None]
        );
        assert_eq!(Template::new("/x").fit_pairs(&[]), Some(Parameters(Box::new([]))));
    }

    #[test]
    fn values_that_could_mean_something_else() {
        for path in [
            "/%2e%2e", "/..", "/.", "/%2E", "/a%2fb", "/a%5Cb", "/a\\b", "/%00", "/%0a", "/a%0D", "/%7f", "/%C2%85",
            "/%", "/%4", "/%zz", "/%ff", "/%c3%28",
        ] {
            assert_eq!(fit("/{a}", path), Some(Err(BadParameter::Malformed)), "{path}");
        }
        assert_eq!(fit("/{a}", "/..."), values(&["..."]));
        // Encoded twice: one decoding is all there is.
        assert_eq!(fit("/{a}", "/%252e%252e%252f"), values(&["%2e%2e%2f"]));
        let long = "x".repeat(VALUE_BYTES_MAX);
        assert_eq!(fit("/{a}", &format!("/{long}")), values(&[&long]));
        assert_eq!(fit("/{a}", &format!("/{long}x")), Some(Err(BadParameter::TooLong)));
    }

    #[test]
    fn a_value_stays_one_part_of_the_url() {
        let template = Template::new("/{a}/{b}");
        let filled = |url: &str, path: &str| template.fit(path).expect("fits").expect("good").fill(url);
        assert_eq!(filled("http://h/x/{b}?id={a}&{c}", "/1/2"), "http://h/x/2?id=1&{c}");
        assert_eq!(filled("http://h/{a}", "/%3Fx=1&y%23z/2"), "http://h/%3Fx%3D1%26y%23z");
        assert_eq!(filled("http://h/{a}", "/%257Bb%257D/2"), "http://h/%257Bb%257D");
        assert_eq!(filled("http://h/{a}", "/%7Bb%7D/2"), "http://h/%7Bb%7D");
        assert_eq!(filled("http://h/{a}{b}", "/ä;,/~-._"), "http://h/%C3%A4%3B%2C~-._");
    }
}
