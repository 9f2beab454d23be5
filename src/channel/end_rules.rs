//! Which event is the last one.

use super::json_pointer::value_at;
use crate::config::EndWhen;
use crate::event_stream::Event;
use serde_json::Value;

/// The type of an event that names none (9.2.6).
pub(super) const DEFAULT_TYPE: &[u8] = b"message";

/// Whether one of the rules names this event.
pub(super) fn is_terminal(rules: &[EndWhen], event: &Event<'_>) -> bool {
    if rules.is_empty() || !event.dispatches() {
        return false;
    }
    rules.iter().any(|rule| match rule {
        EndWhen::Event(wanted) => {
            let event_type = event.event_type();
            let event_type = if event_type.is_empty() {
                DEFAULT_TYPE
            } else {
                event_type
            };
            event_type == wanted.as_bytes()
        }
        EndWhen::Data(wanted) => *event.data() == *wanted.as_bytes(),
        EndWhen::Json { pointer, equals } => {
            let data = event.data();
            // Data that is no JSON is not the end of anything.
            may_hold(&data, equals) && value_at(&data, pointer).is_some_and(|found| same(&found, equals))
        }
    })
}

/// Whether JSON text can hold this value anywhere: a string without escapes stands in it as it is.
/// So most events, which are not the last, need not be read.
fn may_hold(json: &[u8], value: &Value) -> bool {
    match value {
        Value::String(text) if !json.contains(&b'\\') => memchr::memmem::find(json, text.as_bytes()).is_some(),
        _ => true,
    }
}

/// JSON has one kind of number: 1 and 1.0 are the same.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => a == b || x.as_f64().is_some_and(|x| Some(x) == y.as_f64()),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(rule: &EndWhen, block: &'static str) -> bool {
        let event = Event::parse_block(block.as_bytes()).expect("a block");
        is_terminal(std::slice::from_ref(rule), &event)
    }

    fn json(pointer: &str, equals: Value) -> EndWhen {
        EndWhen::Json {
            pointer: pointer.to_owned(),
            equals,
        }
    }

    #[test]
    fn by_type() {
        let rule = EndWhen::Event("end".to_owned());
        assert!(ends(&rule, "event: end\ndata: done\n\n"));
        assert!(!ends(&rule, "event: ended\ndata: end\n\n"));
        assert!(!ends(&rule, "data: end\n\n"));
        // An event without data dispatches nothing: it is none.
        assert!(!ends(&rule, "id: 1\nevent: end\n\n"));
        assert!(ends(&EndWhen::Event("message".to_owned()), "data: x\n\n"));
    }

    #[test]
    fn by_data() {
        let rule = EndWhen::Data("assembly_finished".to_owned());
        assert!(ends(&rule, "data: assembly_finished\n\n"));
        assert!(ends(&rule, "event: x\ndata:assembly_finished\n\n"));
        assert!(!ends(&rule, "data: assembly_finished \n\n"));
        assert!(ends(&EndWhen::Data("a\nb".to_owned()), "data: a\ndata: b\n\n"));
    }

    #[test]
    fn by_a_value_in_json() {
        let rule = json("/state", "COMPLETED".into());
        assert!(ends(
            &rule,
            "data: {\"progress\": 100,\ndata:  \"state\": \"COMPLETED\"}\n\n"
        ));
        assert!(!ends(&rule, "data: {\"state\": \"completed\"}\n\n"));
        assert!(!ends(&rule, "data: {\"job\": {\"state\": \"COMPLETED\"}}\n\n"));
        assert!(!ends(&rule, "data: COMPLETED\n\n"));
        assert!(ends(&json("/progress", 100.into()), "data: {\"progress\": 100.0}\n\n"));
        assert!(ends(&json("/a~1b/0", true.into()), "data: {\"a/b\": [true]}\n\n"));
        assert!(ends(&json("/x", Value::Null), "data: {\"x\": null}\n\n"));
        assert!(!ends(&json("/x", Value::Null), "data: {}\n\n"));
        assert!(ends(&json("", "x".into()), "data: \"x\"\n\n"));
        // However it is escaped.
        assert!(ends(&rule, "data: {\"state\": \"COMP\\u004cETED\"}\n\n"));
        assert!(ends(&json("/x", "a\"b".into()), "data: {\"x\": \"a\\\"b\"}\n\n"));
    }
}
