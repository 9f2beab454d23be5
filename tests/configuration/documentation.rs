//! `docs/configuration.md` is in step with the reader: its table, and its examples.

use crate::read;
use fanfare::config;
use std::path::Path;

const BEGIN: &str = "<!-- keys -->\n";
const END: &str = "<!-- /keys -->";

fn document(name: &str) -> (std::path::PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = std::fs::read_to_string(&path).expect(name);
    (path, text)
}

#[test]
fn the_table_of_keys_is_in_step() {
    let (path, text) = document("docs/configuration.md");
    let (before, rest) = text.split_once(BEGIN).expect(BEGIN);
    let (found, after) = rest.split_once(END).expect(END);
    let expected = config::key_table();
    if std::env::var_os("FANFARE_WRITE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{expected}{END}{after}")).expect("written");
    } else {
        assert!(
            found == expected,
            "docs/configuration.md is behind: FANFARE_WRITE_DOCS=1 cargo test --test configuration"
        );
    }
}

#[test]
fn the_examples_have_no_mistakes() {
    for (name, at_least) in [("docs/configuration.md", 10), ("README.md", 1)] {
        let (_, text) = document(name);
        let examples: Vec<_> = text
            .split("```yaml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
            .collect();
        assert!(examples.len() >= at_least, "{name}");
        for example in examples {
            let warnings = read(example).map(|loaded| loaded.warnings);
            assert_eq!(warnings, Ok(Vec::new()), "{name}:\n{example}");
        }
    }
}
