//! Templated paths: which parameters a request's path holds, and an upstream's URL with them.

use crate::config::Target;
use std::borrow::Cow;
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

/// The parameters of a request's path with their values, decoded; by name, so that they are the same whichever of a
/// source's paths they came by.
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
            None => Segment::Literal(normal_path(text).into_owned()),
        };
        Self {
            segments: path.split('/').map(segment).collect(),
        }
    }

    /// The parameters in a request's path (a [`normal_path`]), if it fits. An empty segment is no value.
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
    /// A target of the source's with the values put in.
    pub(crate) fn fill(&self, target: &Target) -> Target {
        match target {
            Target::Urls(urls) => Target::Urls(urls.iter().map(|url| self.fill_url(url)).collect()),
            Target::Feed(url) => Target::Feed(self.fill_url(url)),
        }
    }

    fn fill_url(&self, url: &str) -> String {
        let mut out = String::with_capacity(url.len() + 64);
        let mut rest = url;
        while let Some(open) = rest.find('{') {
            out.push_str(&rest[..open]);
            rest = &rest[open + 1..];
            let known = self.0.iter().find_map(|(name, value)| {
                let after = rest.strip_prefix(&**name)?.strip_prefix('}')?;
                Some((value, after))
            });
            match known {
                Some((value, after)) => {
                    put_encoded(&mut out, value);
                    rest = after;
                }
                // Checked when the configuration was read: not a place for one of ours.
                None => out.push('{'),
            }
        }
        out + rest
    }
}

/// A path as all its equivalents are written (RFC 3986, 6.2.2): what need not be percent-encoded is not, the rest is in upper case.
pub(crate) fn normal_path(path: &str) -> Cow<'_, str> {
    let Some(first) = path.find('%') else {
        return Cow::Borrowed(path);
    };
    let mut out = path[..first].to_owned();
    let mut rest = &path[first..];
    while let Some(character) = rest.chars().next() {
        let code = (character == '%').then(|| rest.get(1..3)).flatten();
        let byte = code.and_then(|code| percent_decoded(&rest.as_bytes()[..=code.len()])?.first().copied());
        match (code, byte) {
            (_, Some(byte)) if is_unreserved(byte) => out.push(char::from(byte)),
            (Some(code), Some(_)) => {
                out.push('%');
                out.push_str(&code.to_ascii_uppercase());
            }
            _ => out.push(character),
        }
        rest = &rest[if byte.is_some() { 3 } else { character.len_utf8() }..];
    }
    Cow::Owned(out)
}

/// RFC 3986, 2.3: means the same whether it is percent-encoded or not.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Decoded once. What could mean another path at the origin (separators, dots, what is encoded twice stays encoded), or
/// break a line anywhere, is no value.
fn value(segment: &str) -> Result<Box<str>, BadParameter> {
    let bytes = percent_decoded(segment.as_bytes()).ok_or(BadParameter::Malformed)?;
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(BadParameter::TooLong);
    }
    let value = String::from_utf8(bytes).map_err(|_| BadParameter::Malformed)?;
    let separates = |c: char| matches!(c, '/' | '\\') || c.is_control();
    if value.contains(separates) || value == "." || value == ".." {
        return Err(BadParameter::Malformed);
    }
    Ok(value.into())
}

fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        out.push((high * 16 + low) as u8);
    }
    Some(out)
}

/// Everything but RFC 3986's unreserved characters is encoded: a value is one segment, or one value of a query, wherever it
/// is put.
fn put_encoded(out: &mut String, value: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn equivalent_paths_are_one() {
        for (path, normal) in [
            ("/events", "/events"),
            ("/%65v%65nts", "/events"),
            ("/a%2fb%c3%A4", "/a%2Fb%C3%A4"),
            // Once: what is encoded twice is another path.
            ("/%2565", "/%2565"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%+4a%zz%\u{e9}", "/%+4a%zz%\u{e9}"),
        ] {
            assert_eq!(normal_path(path), normal, "{path}");
        }
        assert_eq!(fit("/a%7Eb/{x}", "/a~b/1"), values(&["1"]));
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
        let filled = |url: &str, path: &str| template.fit(path).expect("fits").expect("good").fill_url(url);
        assert_eq!(filled("http://h/x/{b}?id={a}&{c}", "/1/2"), "http://h/x/2?id=1&{c}");
        assert_eq!(filled("http://h/{a}", "/%3Fx=1&y%23z/2"), "http://h/%3Fx%3D1%26y%23z");
        assert_eq!(filled("http://h/{a}", "/%257Bb%257D/2"), "http://h/%257Bb%257D");
        assert_eq!(filled("http://h/{a}", "/%7Bb%7D/2"), "http://h/%7Bb%7D");
        assert_eq!(filled("http://h/{a}{b}", "/ä;,/~-._"), "http://h/%C3%A4%3B%2C~-._");
    }
}
