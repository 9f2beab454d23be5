//! Parameters of a query, by their decoded names.

use crate::path::{form_pairs, form_value, raw_pairs};

/// What there has to be one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum One<T> {
    None,
    Value(T),
    /// Several: which one is meant can't be known.
    Many,
}

/// The parameter of this name.
pub(super) fn parameter(query: Option<&str>, wanted: &str) -> One<Vec<u8>> {
    let mut found = One::None;
    for (name, value) in form_pairs(query) {
        if name != wanted.as_bytes() {
            continue;
        }
        found = match found {
            One::None => One::Value(value),
            _ => One::Many,
        };
    }
    found
}

/// The query without the parameters of these names, everything else byte for byte.
pub(super) fn without(query: Option<&str>, names: &[&str]) -> Option<String> {
    let is_named = |pair: &&str| {
        let name = form_value(pair.split('=').next().unwrap_or_default());
        names.iter().any(|unwanted| unwanted.as_bytes() == name)
    };
    let kept: Vec<&str> = raw_pairs(query).filter(|pair| !is_named(pair)).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_decoded() {
        let of = |query| parameter(Some(query), "key");
        assert_eq!(of("a=1&key=x%20y&b"), One::Value(b"x y".to_vec()));
        assert_eq!(of("%6bey=1"), One::Value(b"1".to_vec()));
        assert_eq!(of("key"), One::Value(Vec::new()));
        assert_eq!(of("key=1&%6Bey=1"), One::Many);
        assert_eq!(of("Key=1&keys=2"), One::None);
        assert_eq!(parameter(None, "key"), One::None);
    }

    #[test]
    fn the_rest_of_a_query_stays_as_it_is() {
        assert_eq!(without(Some("a=%41&key=1&&b"), &["key"]).as_deref(), Some("a=%41&b"));
        assert_eq!(without(Some("%6bey=1&key"), &["key"]), None);
        assert_eq!(without(None, &["key"]), None);
    }
}
