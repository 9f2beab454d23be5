//! Who may read: what can be written, and what is told of it.

use crate::{read, right, source, wrong};
use fanfare::config::{Access, Machine};
use std::path::PathBuf;

const KEYS: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
const USERS: &str = "ann:$2y$04$abcdefghijklmnopqrstuuNQ9y1GGd4qgFiHo2LyQ1VCsgJyQzYyG\n";

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }
}

fn file(access: &str) -> String {
    format!("sources:\n  s:\n    path: /\n    upstream: http://o/\n    access: {access}\n")
}

#[test]
fn all_kinds_are_read_and_printed_without_secrets() {
    let files = Files::new();
    let users = files.write("users", USERS);
    let tokens = files.write("tokens", "t1:0123456789abcdef-hunter2\n");
    let keys = files.write("keys", KEYS);
    let secret = files.write("secret", "hunter2-0123456789abcdef0123456789\n");
    let text = file(&format!(
        "[ {{ basic: {{ users_file: {} }} }}, {{ bearer: {{ tokens_file: {} }} }}, {{ signed: {{ keys_file: {} }} }}, \
         {{ jwt: {{ jwks: \"https://id.example/keys\", issuer: i, audience: [a, b], claims: {{ role: editor, n: 1 }}, \
         leeway: 1s, user_claim: email, cookie: session, query: token }} }}, {{ jwt: {{ key_file: {} }} }}, \
         {{ ask: {{ url: \"https://o.example/may\", cache: 1m, cookies: session, user_header: X-User }} }} ]",
        users.display(),
        tokens.display(),
        keys.display(),
        secret.display()
    ));
    let loaded = right(&text);
    assert_eq!(loaded.warnings, []);
    let kinds: Vec<&str> = loaded.config.sources[0]
        .access
        .iter()
        .map(|access| match access {
            Access::Basic(_) => "basic",
            Access::Bearer(_) => "bearer",
            Access::Jwt(_) => "jwt",
            Access::Signed(_) => "signed",
            Access::Ask(_) => "ask",
        })
        .collect();
    assert_eq!(kinds, ["basic", "bearer", "signed", "jwt", "jwt", "ask"]);
    let printed = fanfare::config::print(&loaded);
    let shown = format!("{printed}{:?}", loaded.config);
    for secret in ["hunter2", "AAECAw", "$2y$"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(right(&printed).config, loaded.config);
    // What a file holds belongs to the configuration.
    files.write("tokens", "t1:0123456789abcdef-hunter3\n");
    assert_ne!(right(&text).config, loaded.config);
}

#[test]
fn mistakes_in_files_are_told_with_their_lines() {
    let files = Files::new();
    let users = files.write("users", &format!("{USERS}bob:{{SHA}}hunter2\nhunter2\nann:$2y$04$x\n"));
    let tokens = files.write("tokens", "t1:hunter2 hunter2\n\n# x\nt2:short\n");
    let keys = files.write("keys", "k1:hunter2?\nk2:c2hvcnQ=\n");
    let told = wrong(&file(&format!(
        "[ {{ basic: {{ users_file: {} }} }}, {{ bearer: {{ tokens_file: {} }} }}, {{ signed: {{ keys_file: {} }} }} ]",
        users.display(),
        tokens.display(),
        keys.display()
    )));
    for said in [
        format!(
            "{}:2:1: sources.s.access[0].basic.users_file: a hash by SHA-1",
            users.display()
        ),
        format!(
            "{}:3:1: sources.s.access[0].basic.users_file: a line without `:`",
            users.display()
        ),
        format!(
            "{}:4:1: sources.s.access[0].basic.users_file: the name of line 1",
            users.display()
        ),
        format!(
            "{}:1:1: sources.s.access[1].bearer.tokens_file: a token that no header",
            tokens.display()
        ),
        format!(
            "{}:1:1: sources.s.access[2].signed.keys_file: a key that is not base64",
            keys.display()
        ),
    ] {
        assert!(told.contains(&said), "{said} in\n{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
    let weak = files.write("weak", "k2:c2hvcnQ=\n");
    let loaded = right(&file(&format!("[ {{ signed: {{ keys_file: {} }} }} ]", weak.display())));
    assert!(
        loaded.warnings[0].to_string().contains("a key of 5 bytes"),
        "{:?}",
        loaded.warnings
    );
}

/// What can be written instead of a way in, and what is said of it. `PEM` and `SECRET` are files.
const SAYS_NOTHING: &[(&str, &str)] = &[
    ("", "expected a list of ways in"),
    ("[]", "an empty list"),
    ("{}", "expected a list of ways in"),
    ("none", "expected a list of ways in"),
    ("[ {} ]", "no way in"),
    ("[ { basic: } ]", "a way in without its settings"),
    ("[ { basic: {} } ]", "users_file: missing"),
    ("[ { basic: { users_file: /none } } ]", "can't be read"),
    (
        "[ { bearer: { tokens_file: /none } , basic: {} } ]",
        "several ways in at once",
    ),
    ("[ { basik: {} } ]", "did you mean `basic`?"),
    ("[ { jwt: {} } ]", "no keys"),
    ("[ { jwt: { jwks: \"ftp://h/\" } } ]", "another scheme"),
    ("[ { jwt: { jwks: \"https://h/{x}\" } } ]", "has a parameter"),
    (
        "[ { jwt: { jwks: \"https://h/\", algorithms: [HS256] } } ]",
        "HS256 with `jwks`",
    ),
    (
        "[ { jwt: { jwks: \"https://h/\", algorithms: [none] } } ]",
        "algorithms",
    ),
    (
        "[ { jwt: { jwks: \"https://h/\", query: signature } } ]",
        "means something else",
    ),
    (
        "[ { jwt: { jwks: \"https://h/\", cookie: \"a b\" } } ]",
        "a cookie's name",
    ),
    ("[ { jwt: { jwks: \"https://h/\", leeway: 2h } } ]", "leeway"),
    ("[ { jwt: { jwks: \"https://h/\", key_file: SECRET } } ]", "one of them"),
    ("[ { jwt: { key_file: PEM } } ]", "holds no public key"),
    (
        "[ { jwt: { key_file: SECRET, algorithms: RS256 } } ]",
        "none that the key is for",
    ),
    ("[ { ask: {} } ]", "url: missing"),
    ("[ { ask: { url: \"https://u:p@h/\" } } ]", "credentials in the URL"),
    ("[ { signed: { keys_file: /none } } ]", "can't be read"),
];

/// What is written and says nothing must not leave the source open.
#[test]
fn a_key_that_says_nothing_is_a_mistake() {
    let files = Files::new();
    let pem = files.write("pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    let secret = files.write("secret", "0123456789abcdef0123456789abcdef\n");
    let (pem, secret) = (pem.display().to_string(), secret.display().to_string());
    for (access, said) in SAYS_NOTHING {
        let access = &access.replace("SECRET", &secret).replace("PEM", &pem);
        let told = wrong(&file(access));
        assert!(told.contains(said), "{access}: {told}");
        let admin = format!(
            "admin_access: {access}\n{}",
            file("[ { basic: {} } ]").replace("    access: [ { basic: {} } ]\n", "")
        );
        assert!(wrong(&admin).contains("admin_access"), "{access}");
    }
    assert!(source("sources: {s: {path: /, upstream: http://o/}}").access.is_empty());
    let unknown = right(&format!("limits: {{ clients_per_user: 2 }}\n{}", crate::with("")));
    assert!(
        unknown.warnings[0].to_string().contains("no source has `access`"),
        "{:?}",
        unknown.warnings
    );
    let far = right(&file("[ { jwt: { jwks: \"http://id.example/keys\" } } ]"));
    assert!(
        far.warnings[0].to_string().contains("over `http`"),
        "{:?}",
        far.warnings
    );
}

/// An upstream, `pass`, the source's path, and what is said.
const AROUND: &[(&str, &str, &str, &str)] = &[
    (
        "http://o/sse",
        "[ { prefix: /, to: \"http://o\" } ]",
        "/events",
        "MISTAKE",
    ),
    (
        "http://O:80/sse",
        "[ { prefix: /sse, to: \"http://o\" } ]",
        "/events",
        "MISTAKE",
    ),
    (
        "http://localhost:81/sse",
        "[ { prefix: /, to: \"http://127.0.0.1:81\" } ]",
        "/events",
        "MISTAKE",
    ),
    (
        "http://o/j/{job}",
        "[ { prefix: /j, to: \"http://o\" } ]",
        "/jobs/{job}",
        "MISTAKE",
    ),
    (
        "{ urls: [\"http://x/\", \"http://o/sse\"] }",
        "[ { prefix: /, to: \"http://o\" } ]",
        "/events",
        "MISTAKE",
    ),
    (
        "http://o/j/{job}",
        "[ { prefix: /j/7, to: \"http://o\" } ]",
        "/jobs/{job}",
        "may also be passed",
    ),
    (
        "{ feed: \"http://o/feed\" }",
        "[ { prefix: /, to: \"http://o\" } ]",
        "/events",
        "the feed decides",
    ),
    ("http://o/sse", "[ { prefix: /, to: \"http://o\" } ]", "/sse", "[]"),
    (
        "http://o/sse",
        "[ { prefix: /other, to: \"http://o\" } ]",
        "/events",
        "[]",
    ),
    ("http://o/sse", "[ { prefix: /, to: \"http://p\" } ]", "/events", "[]"),
    (
        "http://o/sse",
        "[ { prefix: /sse, to: \"http://p\" }, { prefix: /, to: \"http://o\" } ]",
        "/events",
        "[]",
    ),
];

#[test]
fn a_pass_around_it_is_a_mistake() {
    let machine = Machine::default();
    let judged = |upstream: &str, pass: &str, path: &str| {
        let files = Files::new();
        let keys = files.write("keys", KEYS);
        let text = format!(
            "sources:\n  s:\n    path: {path}\n    upstream: {upstream}\n    access: [ {{ signed: {{ keys_file: {} }} }} ]\npass: {pass}\n",
            keys.display()
        );
        let judged = read(&text).expect("right").judge(&machine);
        match judged {
            Ok(loaded) => format!("{:?}", loaded.warnings),
            Err(mistakes) => format!("MISTAKE {mistakes}"),
        }
    };
    for (upstream, pass, path, said) in AROUND {
        let told = judged(upstream, pass, path);
        assert!(told.contains(said), "{upstream} {pass}: {told}");
        assert_eq!(told.contains("MISTAKE"), *said == "MISTAKE", "{told}");
    }
}
