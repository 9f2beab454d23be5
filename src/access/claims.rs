//! What a token that was verified says.

use serde_json::{Map, Value as Json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest name of a user that is kept, in bytes.
const USER_BYTES_MAX: usize = 256;

/// The claims of a token.
pub(super) struct Claims(pub(super) Map<String, Json>);

impl Claims {
    /// Whether each of these is there: the value itself, or an array with it. Of several values that
    /// are wanted for a claim, one is enough.
    pub(super) fn have(&self, wanted: &[(String, Json)]) -> bool {
        wanted.iter().all(|(name, wanted)| {
            let Some(found) = self.0.get(name) else { return false };
            match wanted {
                Json::Array(any) => found == wanted || any.iter().any(|wanted| is_or_holds(found, wanted)),
                wanted => is_or_holds(found, wanted),
            }
        })
    }

    /// The user, as this claim says: text, or a number.
    pub(super) fn user(&self, claim: &str) -> Option<Box<str>> {
        let user = match self.0.get(claim)? {
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            _ => return None,
        };
        (1..=USER_BYTES_MAX).contains(&user.len()).then(|| user.into())
    }

    /// `exp` (RFC 7519, 4.1.4): seconds, perhaps with a fraction. `None`: there is none that the clock
    /// can name.
    pub(super) fn expires(&self, leeway: Duration) -> Option<SystemTime> {
        let seconds = self.0.get("exp")?.as_f64()?;
        let since = Duration::try_from_secs_f64(seconds).ok()?;
        UNIX_EPOCH.checked_add(since)?.checked_add(leeway)
    }
}

fn is_or_holds(found: &Json, wanted: &Json) -> bool {
    match found {
        Json::Array(elements) => elements.contains(wanted),
        found => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(json: Json) -> Claims {
        Claims(json.as_object().expect("an object").clone())
    }

    #[test]
    fn a_claim_is_equal_or_in_an_array() {
        let of = |found: Json, wanted: Json| claims(json!({ "c": found })).have(&[("c".to_owned(), wanted)]);
        for (found, wanted, expected) in [
            (json!("a"), json!("a"), true),
            (json!(["b", "a"]), json!("a"), true),
            (json!("ab"), json!("a"), false),
            (json!([]), json!("a"), false),
            (json!([["a"]]), json!("a"), false),
            (json!("b"), json!(["a", "b"]), true),
            (json!(["x", "b"]), json!(["a", "b"]), true),
            (json!("c"), json!(["a", "b"]), false),
            (json!(true), json!(true), true),
            (json!("true"), json!(true), false),
            (json!(1), json!(1), true),
            (json!(null), json!("a"), false),
            (json!({ "a": 1 }), json!("a"), false),
        ] {
            assert_eq!(of(found.clone(), wanted.clone()), expected, "{found} {wanted}");
        }
        let two = [("a".to_owned(), json!(1)), ("b".to_owned(), json!(2))];
        assert!(claims(json!({"a": 1, "b": 2})).have(&two) && !claims(json!({"a": 1})).have(&two));
    }

    #[test]
    fn times_and_users() {
        let of = |exp: Json| claims(json!({ "exp": exp })).expires(Duration::from_secs(1));
        let at = |milliseconds| Some(UNIX_EPOCH + Duration::from_millis(milliseconds));
        assert_eq!(of(json!(10)), at(11_000));
        assert_eq!(of(json!(10.5)), at(11_500));
        for wrong in [json!("10"), json!(-1), json!(1e300), json!(null)] {
            assert_eq!(of(wrong.clone()), None, "{wrong}");
        }
        let user = |user: Json| claims(json!({ "sub": user })).user("sub");
        assert_eq!(user(json!("a")), Some("a".into()));
        assert_eq!(user(json!(7)), Some("7".into()));
        for none in [json!(""), json!(null), json!({}), json!("x".repeat(300))] {
            assert_eq!(user(none), None);
        }
    }
}
