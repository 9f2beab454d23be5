//! Health in the form of the Content Store's proxy, which is Dropwizard's: one entry per check, 200
//! if all are healthy and 500 if one is not.

use crate::status::Readiness;
use serde_json::{Map, Value, json};

/// Stands for the process itself, so that there is always a check: Dropwizard has another status
/// for "none".
const PROCESS: &str = "fanfare";

/// Whether everything is healthy, and one check for the process and for each required source.
pub(super) fn dropwizard(readiness: &Readiness) -> (bool, Value) {
    let mut checks = Map::new();
    checks.insert(PROCESS.to_owned(), healthy());
    for source in &readiness.required {
        checks.insert(source.clone(), healthy());
    }
    let mut messages: Vec<(&str, String)> = Vec::new();
    if readiness.draining {
        messages.push((PROCESS, "draining".to_owned()));
    }
    for reason in &readiness.reasons {
        let check = reason.source.as_deref().unwrap_or(PROCESS);
        let message = match &reason.upstream {
            Some(upstream) => format!("{upstream}: {}", reason.detail),
            None => reason.detail.clone(),
        };
        match messages.iter_mut().find(|(name, _)| *name == check) {
            Some((_, so_far)) => {
                so_far.push_str("; ");
                so_far.push_str(&message);
            }
            None => messages.push((check, message)),
        }
    }
    for (check, message) in messages {
        checks.insert(check.to_owned(), json!({"healthy": false, "message": message}));
    }
    (readiness.is_ready(), Value::Object(checks))
}

fn healthy() -> Value {
    json!({"healthy": true})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::NotReady;

    fn reason(source: &str, upstream: Option<&str>, detail: &str) -> NotReady {
        NotReady {
            source: Some(source.into()),
            upstream: upstream.map(str::to_owned),
            reason: "refused".into(),
            detail: detail.into(),
        }
    }

    #[test]
    fn every_required_source_is_a_check() {
        let mut readiness = Readiness {
            required: vec!["a".into(), "b".into()],
            ..Readiness::default()
        };
        let all_well = json!({"fanfare": {"healthy": true}, "a": {"healthy": true}, "b": {"healthy": true}});
        assert_eq!(dropwizard(&readiness), (true, all_well));

        readiness.reasons = vec![
            reason("b", Some("one"), "connection refused"),
            reason("b", None, "stale"),
        ];
        let (healthy, checks) = dropwizard(&readiness);
        assert!(!healthy);
        assert_eq!(checks["a"], json!({"healthy": true}));
        assert_eq!(
            checks["b"],
            json!({"healthy": false, "message": "one: connection refused; stale"})
        );
    }

    #[test]
    fn draining_is_unhealthy_even_with_nothing_required() {
        let readiness = Readiness {
            draining: true,
            ..Readiness::default()
        };
        let expected = json!({"fanfare": {"healthy": false, "message": "draining"}});
        assert_eq!(dropwizard(&readiness), (false, expected));
        assert_eq!(
            dropwizard(&Readiness::default()),
            (true, json!({"fanfare": {"healthy": true}}))
        );
    }
}
