//! What a configuration may ask for that this version does not do: said at the start and by `check`, never misunderstood in silence.

use crate::config::{Config, Source};

/// What is asked for in vain, in words for the operator. The relay can run without it, but not as the file says.
pub fn not_yet(config: &Config) -> Vec<String> {
    let mut asked = Vec::new();
    for source in &config.sources {
        let name = &source.name;
        let mut ask = |key: &str, what: &str| asked.push(format!("sources.{name}.{key}: {what}"));
        if !source.end_when.is_empty() {
            ask(
                "end_when",
                "this version does not end streams by an event; they end when the origin answers 204",
            );
        }
        if !source.coalesce.is_zero() {
            ask("coalesce", "this version delivers every event");
        }
        if !source.stagger.is_zero() {
            ask("stagger", "this version delivers at once");
        }
        if source.upstreams.len() > 1 && source.ids != crate::config::Ids::Assign {
            ask(
                "upstream",
                "the ids of merged upstreams can't be resumed by reliably in this version: set ids: assign",
            );
        }
    }
    asked
}

/// The path of a source that can't be served at all.
pub(super) fn template(source: &Source) -> Option<&str> {
    source.paths.iter().map(String::as_str).find(|path| path.contains('{'))
}
