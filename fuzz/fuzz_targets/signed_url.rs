//! Any path and query: what can be signed is let in as it was signed, and nothing else is.
#![no_main]

use fanfare::access::{AccessRequest, Check, Gates, SignedUrl, Verdict, sign};
use fanfare::{config, metrics::Metrics};
use hyper::{Request, Uri};
use std::sync::LazyLock;

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const KEY_BASE64: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

static GATES: LazyLock<Gates> = LazyLock::new(|| {
    let keys = std::env::temp_dir().join(format!("fanfare-fuzz-keys-{}", std::process::id()));
    std::fs::write(&keys, format!("k1:{KEY_BASE64}\n")).expect("written");
    let access = format!("[ {{ signed: {{ keys_file: {} }} }} ]", keys.display());
    let yaml = format!("sources: {{ s: {{ path: /, upstream: \"http://o/\", access: {access} }} }}");
    let loaded = config::read(&yaml, "fuzz", &|_| None).expect("a configuration");
    Gates::new(&loaded.config, &Metrics::new(), None)
});

fn is_let_in(target: &str) -> Option<bool> {
    let uri: Uri = target.parse().ok()?;
    let request = Request::builder().uri(uri).body(()).ok()?;
    let asked = AccessRequest::of(&request)?;
    match GATES.of("s")?.check(&asked) {
        Check::Now(verdict) => Some(matches!(verdict, Verdict::Granted(_))),
        Check::Later(_) => None,
    }
}

libfuzzer_sys::fuzz_target!(|target: &str| {
    assert_ne!(is_let_in(target), Some(true), "nobody has signed {target}");
    let url = SignedUrl {
        target,
        expires: 9_999_999_999,
        key_id: "k1",
        key: KEY,
    };
    if let Ok(signed) = sign(&url) {
        assert_ne!(is_let_in(&signed), Some(false), "{signed}");
        assert_ne!(is_let_in(&format!("{signed}&source=other")), Some(true), "{signed}");
        assert_ne!(is_let_in(&signed.replacen('?', "/x?", 1)), Some(true), "{signed}");
    }
});
