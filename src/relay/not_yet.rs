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
    asked
}
