//! Stories of configuration files: what operators write, and what they are told.

mod access;
mod documentation;
mod environment;
mod judged;
mod keys;
mod legacy;
mod mistakes;
mod never_panics;
mod schema;
mod tls;

use fanfare::config::{self, Loaded, Source};

fn environment(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("9999".to_owned()),
        "PASSWORD" => Some("hunter2: [x]\nlisten: 1.2.3.4:5".to_owned()),
        "BROKEN" => Some("hunter2 is not a number".to_owned()),
        "ORIGIN" => Some("https://o.example".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Loaded, String> {
    config::read(text, "f.yaml", &environment).map_err(|mistakes| mistakes.to_string())
}

fn right(text: &str) -> Loaded {
    read(text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
}

fn wrong(text: &str) -> String {
    read(text).expect_err(text)
}

/// The only source of a file.
fn source(text: &str) -> Source {
    let loaded = right(text);
    assert_eq!(loaded.config.sources.len(), 1);
    Source::clone(&loaded.config.sources[0])
}

/// A file with one source that has these lines.
fn with(lines: &str) -> String {
    let indented: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!("sources:\n  s:\n    path: /\n    upstream: http://o/\n{indented}")
}
