//! Values from the environment and from files, and secrets among them.

use crate::{right, source, with, wrong};
use fanfare::config::{self, Credentials, EndWhen, Listen, Target};

#[test]
fn the_environment_fills_values_only() {
    let text = "\
listen: 0.0.0.0:${PORT}
sources:
  s:
    path: ${NOWHERE:-/events}
    upstream: { url: \"${ORIGIN}/sse\", username: '${NAME:-relay}', password: \"${PASSWORD_FREE:-a${PORT}}\" }
    log: { events: \"${PORT}\" }
";
    let loaded = right(text);
    assert_eq!(loaded.config.listen, [Listen::Tcp(([0, 0, 0, 0], 9999).into())]);
    let source = &loaded.config.sources[0];
    assert_eq!((source.paths[0].as_str(), source.log.events), ("/events", 9999));
    let upstream = &source.upstreams[0];
    assert_eq!(upstream.target, Target::Urls(vec!["https://o.example/sse".to_owned()]));
    let Some(Credentials::Basic { username, password }) = &upstream.credentials else {
        panic!("{upstream:?}")
    };
    assert_eq!((username.as_str(), password.0.as_str()), ("relay", "a9999"));
}

#[test]
fn a_value_from_the_environment_stays_one_value() {
    for reference in ["${PASSWORD}", "\"${PASSWORD}\"", "'${PASSWORD}'"] {
        let rules = format!("end_when:\n  - data: {reference}\n");
        let source = source(&with(&rules));
        assert_eq!(
            source.end_when,
            [EndWhen::Data("hunter2: [x]\nlisten: 1.2.3.4:5".to_owned())]
        );
    }
}

#[test]
fn secrets_are_never_told() {
    for lines in [
        "log: { events: \"${BROKEN}\" }",
        "ids: ${BROKEN}",
        "max_age: ${BROKEN}",
        "event_bytes_max: ${BROKEN}",
        "cors: { origins: [\"${BROKEN}\"] }",
        "required: ${BROKEN}",
        "start: ${BROKEN}",
        "reconnect_jitter: ${BROKEN}",
        "heartbeat: { as: \"${BROKEN}\" }",
    ] {
        let told = wrong(&with(lines));
        assert!(told.contains("${BROKEN}") && !told.contains("hunter2"), "{told}");
    }
    for upstream in [
        "{ url: 'http://u:hunter2@o:x/' }",
        "{ url: 'http://o:x/?token=hunter2' }",
        "{ url: 'http://o/', username: 'a:b', password: hunter2 }",
        "{ url: 'http://o/', username: a, password: \"hunter2\\n\" }",
        "{ url: 'http://o/', bearer: 'hunter2 x' }",
        "{ url: 'http://o/', bearer: hunter2, username: a, password: hunter2 }",
        "{ url: 'http://o/', headers: { Authorization: \"hunter2\\n\" } }",
        "{ url: 'http://o/', headers: { X-A: \"hunter2\\n\" } }",
        "{ url: 'http://u:hunter2@o/', username: a, password: x }",
        "{ urls: ['http://u:hunter2@o/', 'http://o/'] }",
        "{ url: \"${PASSWORD}\" }",
        "{ url: 'http://o/', password: [hunter2] }",
    ] {
        let told = wrong(&format!("sources:\n  s:\n    path: /\n    upstream: {upstream}\n"));
        assert!(!told.contains("hunter2"), "{told}");
    }
    let loaded = right(
        "sources:\n  s:\n    path: /\n    upstream:\n      url: https://u:hunter2@o/?token=hunter2\n      \
         headers: { X-Api-Key: hunter2, X-Plain: \"${BROKEN}\", Host: shown.example }\n",
    );
    let printed = config::print(&loaded);
    assert!(
        !printed.contains("hunter2") && printed.contains("shown.example"),
        "{printed}"
    );
    let shown = format!("{:?}", loaded.config.sources[0].upstreams[0].credentials);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn undefined_variables_are_mistakes_in_their_place() {
    let told = wrong(&with("max_age: ${MAX_AGE}\nlog: { bytes: \"${LOG_BYTES}\" }"));
    assert_eq!(
        told,
        "f.yaml:5:14: sources.s.max_age: the environment variable `MAX_AGE` is not set; expected it to be set, or a default: `${MAX_AGE:-...}`\n\
         f.yaml:6:19: sources.s.log.bytes: the environment variable `LOG_BYTES` is not set; expected it to be set, or a default: `${LOG_BYTES:-...}`"
    );
}

#[test]
fn secrets_from_files() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("password"), "hun ter2\n").expect("written");
    std::fs::write(folder.path().join("token"), "abc.def\r\n").expect("written");
    std::fs::write(folder.path().join("empty"), "\n").expect("written");
    let file = folder.path().join("f.yaml");
    let load = |upstream: &str| {
        let text = format!("sources:\n  s:\n    path: /\n    upstream:\n      url: http://o/\n{upstream}");
        std::fs::write(&file, text).expect("written");
        config::load(&file)
    };
    // Relative to the file, whatever the working directory.
    let loaded = load("      username: relay\n      password_file: password\n").expect("valid");
    let Some(Credentials::Basic { password, .. }) = &loaded.config.sources[0].upstreams[0].credentials else {
        panic!()
    };
    assert_eq!(password.0, "hun ter2");
    let loaded = load(&format!("      bearer_file: {}/token\n", folder.path().display())).expect("valid");
    let Some(Credentials::Bearer(token)) = &loaded.config.sources[0].upstreams[0].credentials else {
        panic!()
    };
    assert_eq!(token.0, "abc.def");
    for name in ["missing", "empty", "."] {
        let told = load(&format!("      bearer_file: {name}\n"))
            .expect_err(name)
            .to_string();
        let start = format!("{}:6:20: sources.s.upstream.bearer_file: `{name}` ", file.display());
        assert!(told.starts_with(&start), "{told}");
    }
    let told = load("      bearer: x\n      bearer_file: token\n")
        .expect_err("both")
        .to_string();
    assert!(told.contains("beside `bearer`"), "{told}");
    let told = load("      tls: { ca: token, cert: missing, server_name: 'a b' }\n")
        .expect_err("no PEM")
        .to_string();
    assert_eq!(told.lines().count(), 4, "{told}");
}
