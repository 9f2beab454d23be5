//! Anything as a token, wherever it may come: no panic, and nothing that nobody has signed is let
//! in.
#![no_main]

use fanfare::access::{AccessRequest, Check, Gates, Verdict};
use fanfare::{config, metrics::Metrics};
use hyper::Request;
use std::sync::LazyLock;

static GATES: LazyLock<Gates> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("fanfare-fuzz-jwt-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (secret, public) = (folder.join("secret"), folder.join("public.pem"));
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").expect("written");
    // Of RFC 8410, 10.1.
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
               -----END PUBLIC KEY-----\n";
    std::fs::write(&public, pem).expect("written");
    let way = |key: &std::path::Path| {
        let key = key.display();
        format!("{{ jwt: {{ key_file: {key}, cookie: c, query: q, claims: {{ a: b }}, audience: x }} }}")
    };
    let yaml = format!(
        "sources: {{ s: {{ path: /, upstream: \"http://o/\", access: [ {}, {} ] }} }}",
        way(&secret),
        way(&public)
    );
    let loaded = config::read(&yaml, "fuzz", &|_| None).expect("a configuration");
    Gates::new(&loaded.config, &Metrics::new(), None)
});

libfuzzer_sys::fuzz_target!(|tokens: (&str, &str, &str)| {
    let (header, cookie, query) = tokens;
    let request = Request::builder()
        .uri(format!("/?q={query}"))
        .header("authorization", format!("Bearer {header}"))
        .header("cookie", format!("a=b; c={cookie}"))
        .body(());
    let Ok(request) = request else { return };
    let Some(asked) = AccessRequest::of(&request) else { return };
    match GATES.of("s").expect("a gate").check(&asked) {
        Check::Now(Verdict::Denied(_)) => {}
        Check::Now(Verdict::Granted(grant)) => panic!("let in by {grant:?}"),
        Check::Later(_) => panic!("keys of files are here"),
    }
});
