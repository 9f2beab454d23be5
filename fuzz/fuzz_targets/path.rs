//! Any text as a path: what passes is within the prefix, and is no source's path, to every origin
//! that is modelled.
#![no_main]

#[path = "../../src/path/models.rs"]
mod models;

use fanfare::path::{normalise, one_meaning};

const PREFIX: &str = "/app/";
const SOURCE: &str = "/app/sse";

libfuzzer_sys::fuzz_target!(|text: &str| {
    if !text.starts_with('/') || text.contains(['?', '#']) {
        return;
    }
    if let Ok(normal) = normalise(text) {
        assert_eq!(normalise(&normal).as_deref(), Ok(&*normal));
    }
    let passes = |path: &str| (path == SOURCE, path.starts_with(PREFIX));
    if one_meaning(text, passes) != Ok((false, true)) {
        return;
    }
    for read in [models::nginx(text), models::tomcat(text), models::node(text)].into_iter().flatten() {
        assert!(read.starts_with(PREFIX.as_bytes()) && read != SOURCE.as_bytes(), "{read:?}");
    }
});
