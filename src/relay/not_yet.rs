//! What a configuration may ask for that this version does not do: said at the start and by `check`, never misunderstood in silence.

use crate::config::Config;

/// What is asked for in vain, in words for the operator. The relay can run without it, but not as the file says.
pub fn not_yet(config: &Config) -> Vec<String> {
    let mut asked = Vec::new();
    if !config.pass.is_empty() {
        asked.push(
            "pass: this version passes nothing through; requests for these prefixes are answered with 404".to_owned(),
        );
    }
    for source in &config.sources {
        let name = &source.name;
        let mut ask = |key: &str, what: &str| asked.push(format!("sources.{name}.{key}: {what}"));
        if !source.coalesce.is_zero() {
            ask("coalesce", "this version delivers every event");
        }
        if !source.stagger.is_zero() {
            ask("stagger", "this version delivers at once");
        }
    }
    asked
}
