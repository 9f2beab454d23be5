//! What a client chooses of a stream's events: by type, and by values in their data.

use super::end_rules::{DEFAULT_TYPE, same};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Types that one filter names.
const TYPES_MAX: usize = 64;
/// Conditions on the data that one filter names.
const CONDITIONS_MAX: usize = 16;

/// A filter in its normal form: however it was written, what asks for the same is the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Filter {
    /// Any of them; empty: each type. In order, and each once.
    types: Vec<String>,
    /// All of them. In order, and each once.
    conditions: Vec<Condition>,
}

/// What must stand at a place of an event's data, which is JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Condition {
    /// Where (RFC 6901).
    pointer: String,
    /// What: a text, or anything else as JSON.
    value: String,
}

/// Why there is no such filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFilter {
    /// An event type is empty, or no text.
    #[error("the query parameter event is one or more event types, as in event=created,deleted")]
    Type,
    /// A condition has no pointer, or one that is none.
    #[error("the query parameter match is a JSON pointer and a value, as in match=/section:sports")]
    Condition,
    /// There are too many of them.
    #[error("a filter names at most 64 types and 16 values")]
    TooMuch,
}

impl Filter {
    /// A filter of the types in comma-separated lists, and of conditions as `POINTER:VALUE`.
    /// `None`: it lets everything through.
    pub fn parse(types: &[Vec<u8>], conditions: &[Vec<u8>]) -> Result<Option<Self>, BadFilter> {
        let listed = types.iter().flat_map(|list| list.split(|byte| *byte == b','));
        let mut types = listed.map(event_type).collect::<Result<Vec<_>, _>>()?;
        let mut conditions = conditions
            .iter()
            .map(|text| Condition::parse(text))
            .collect::<Result<Vec<_>, _>>()?;
        types.sort();
        types.dedup();
        conditions.sort();
        conditions.dedup();
        if types.len() > TYPES_MAX || conditions.len() > CONDITIONS_MAX {
            return Err(BadFilter::TooMuch);
        }
        let filter = Self { types, conditions };
        Ok((!filter.types.is_empty() || !filter.conditions.is_empty()).then_some(filter))
    }

    /// Whether it lets an event of this type through, as far as types go. Empty: the default type.
    pub(super) fn has_type(&self, event_type: &[u8]) -> bool {
        let event_type = if event_type.is_empty() {
            DEFAULT_TYPE
        } else {
            event_type
        };
        self.types.is_empty() || self.types.iter().any(|wanted| wanted.as_bytes() == event_type)
    }

    /// What it wants of the data.
    pub(super) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

fn event_type(bytes: &[u8]) -> Result<String, BadFilter> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(BadFilter::Type),
    }
}

impl Condition {
    /// A pointer has no `:` in it, unless it is percent-encoded twice: the first one ends it.
    fn parse(bytes: &[u8]) -> Result<Self, BadFilter> {
        let text = std::str::from_utf8(bytes).map_err(|_| BadFilter::Condition)?;
        let (pointer, value) = text.split_once(':').ok_or(BadFilter::Condition)?;
        if !is_pointer(pointer) {
            return Err(BadFilter::Condition);
        }
        Ok(Self {
            pointer: pointer.to_owned(),
            value: value.to_owned(),
        })
    }

    /// Where it looks.
    pub(super) fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What it looks for.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            json: serde_json::from_str(&self.value).ok(),
            text: self.value.clone(),
        }
    }
}

/// RFC 6901, 3: empty, or tokens that each begin with `/`; `~` stands before `0` or `1`.
fn is_pointer(text: &str) -> bool {
    let mut escapes = text.split('~').skip(1);
    (text.is_empty() || text.starts_with('/')) && escapes.all(|rest| rest.starts_with(['0', '1']))
}

/// A value that is looked for.
#[derive(Debug)]
pub(super) struct Wanted {
    text: String,
    /// The same as JSON, if it is.
    json: Option<Value>,
}

impl Wanted {
    /// Whether a value of the data is the wanted one: texts are compared as they are, all else as
    /// JSON.
    pub(super) fn is(&self, found: &Value) -> bool {
        match found {
            Value::String(text) => *text == self.text,
            other => self.json.as_ref().is_some_and(|json| same(other, json)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(types: &[&str], conditions: &[&str]) -> Result<Option<Filter>, BadFilter> {
        let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
        Filter::parse(&bytes(types), &bytes(conditions))
    }

    #[test]
    fn what_asks_for_the_same_is_the_same() {
        let one = parse(&["b,a", "a"], &["/y:1", "/x:2", "/y:1"]);
        assert_eq!(one, parse(&["a", "b"], &["/x:2", "/y:1"]));
        assert_ne!(one, parse(&["a", "b"], &["/x:2"]));
        assert_eq!(parse(&[], &[]), Ok(None));
        // The value may hold anything, also the mark.
        let Ok(Some(filter)) = parse(&[], &["/a~1b:c:d"]) else {
            panic!("a filter")
        };
        assert_eq!(filter.conditions()[0].pointer(), "/a~1b");
        assert!(filter.conditions()[0].wanted().is(&"c:d".into()));
    }

    #[test]
    fn what_is_no_filter() {
        for types in ["", "a,", ",", "a,,b"] {
            assert_eq!(parse(&[types], &[]), Err(BadFilter::Type), "{types:?}");
        }
        assert_eq!(Filter::parse(&[vec![0xff]], &[]), Err(BadFilter::Type));
        for condition in ["", "/a", "a:b", "/~:x", "/~2:x", "/a/~:x"] {
            assert_eq!(parse(&[], &[condition]), Err(BadFilter::Condition), "{condition:?}");
        }
        let many: Vec<String> = (0..65).map(|n| n.to_string()).collect();
        assert_eq!(parse(&[&many.join(",")], &[]), Err(BadFilter::TooMuch));
        assert!(parse(&[&many[1..].join(",")], &[]).is_ok());
    }

    #[test]
    fn texts_compare_as_they_are_and_all_else_as_json() {
        for (wanted, found, is) in [
            ("DONE", serde_json::json!("DONE"), true),
            ("done", serde_json::json!("DONE"), false),
            ("5", serde_json::json!("5"), true),
            ("5", serde_json::json!(5), true),
            ("5.0", serde_json::json!(5), true),
            ("\"5\"", serde_json::json!("5"), false),
            ("true", serde_json::json!(true), true),
            ("null", serde_json::json!(null), true),
            ("", serde_json::json!(null), false),
            ("", serde_json::json!(""), true),
            ("[1, 2]", serde_json::json!([1, 2]), true),
            ("{\"b\":1,\"a\":2}", serde_json::json!({ "a": 2, "b": 1 }), true),
            ("x", serde_json::json!(1), false),
        ] {
            let condition = Condition {
                pointer: String::new(),
                value: wanted.to_owned(),
            };
            assert_eq!(condition.wanted().is(&found), is, "{wanted} {found}");
        }
    }
}
