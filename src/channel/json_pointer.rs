//! The value at a JSON pointer (RFC 6901), read without the rest of the text.
//!
//! What lies beside the way is passed over by its form alone: a number that no machine word holds,
//! a text that was cut within a character, or nesting deeper than is safe to follow does not hide
//! the value from us, as it does not from a client.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// The value; `None` also if the text is no JSON.
pub(super) fn value_at(json: &[u8], pointer: &str) -> Option<Value> {
    value_on(json, &way(pointer))
}

/// A pointer's tokens.
pub(super) type Way = Box<[String]>;

/// The way that a pointer names.
pub(super) fn way(pointer: &str) -> Way {
    let unescaped = |token: &str| token.replace("~1", "/").replace("~0", "~");
    pointer.split('/').skip(1).map(unescaped).collect()
}

/// The value at the end of a way.
pub(super) fn value_on(json: &[u8], tokens: &Way) -> Option<Value> {
    let mut text = serde_json::Deserializer::from_slice(json);
    let found = At(tokens).deserialize(&mut text).ok()?;
    text.end().ok()?;
    found
}

/// The way that is left.
struct At<'t>(&'t [String]);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            [] => serde::Deserialize::deserialize(deserializer).map(Some),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    /// Of several members with the name the last one counts, as for `JSON.parse`.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let (token, rest) = self.0.split_first().ok_or_else(nowhere)?;
        while let Some(name) = map.next_key::<String>()? {
            match name == *token {
                true => found = map.next_value_seed(At(rest))?,
                false => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let (token, rest) = self.0.split_first().ok_or_else(nowhere)?;
        if let Some(before) = index(token) {
            for _ in 0..before {
                if elements.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(None);
                }
            }
            let found = elements.next_element_seed(At(rest))?.flatten();
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(found);
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    // A value without members: the pointer leads nowhere.

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A way that is at its end is not walked any further.
fn nowhere<E: Error>() -> E {
    E::custom("no token is left")
}

/// RFC 6901, 4: digits without a leading zero.
fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    plain.then(|| token.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(json: &str, pointer: &str) -> Option<Value> {
        value_at(json.as_bytes(), pointer)
    }

    #[test]
    fn what_lies_beside_the_way_does_not_hide_it() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for beside in ["1e999", "\"\\ud800\"", &deep, "{\"state\":\"x\"}"] {
            let json = format!("{{\"a\":{beside},\"state\":[0,\"DONE\"],\"z\":{beside}}}");
            assert_eq!(at(&json, "/state/1"), Some("DONE".into()), "{beside:.20}");
        }
        let json = b"{\"a\":\"\xff\",\"state\":\"DONE\"}";
        assert_eq!(value_at(json, "/state"), Some("DONE".into()));
    }

    #[test]
    fn what_is_no_json_holds_nothing() {
        for json in [
            "",
            "{\"a\":1",
            "{\"a\":1} x",
            "{\"a\":1}}",
            "{\"a\":1,\"b\":tru}",
            "[1}",
            "DONE",
        ] {
            assert_eq!(at(json, "/a"), None, "{json}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            "[a-c~/]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec(("[ab01~/]{0,2}", inner), 0..3)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_is_found_in_the_whole(json in json(), pointer in "(/([ab01]|~0|~1|-|00|\\+1){0,2}){0,3}") {
            prop_assert_eq!(value_at(json.to_string().as_bytes(), &pointer), json.pointer(&pointer).cloned());
        }
    }
}
