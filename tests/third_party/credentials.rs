//! Credentials that programs of others make: Apache's `htpasswd`, the `argon2` of its authors, and
//! PyJWT.

use crate::support::client::get;
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup};
use crate::tools::{file, program};
use base64::Engine as _;
use std::process::{Command, Stdio};

fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn basic(user: &str, password: &str) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {text}")
}

#[tokio::test]
async fn users_of_htpasswd_and_argon2_are_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    output(
        Command::new(program("htpasswd"))
            .args(["-cbB", "-C", "5"])
            .arg(&users)
            .args(["ann", "sésame: ouvre"]),
    );
    output(
        Command::new(program("htpasswd"))
            .args(["-bB"])
            .arg(&users)
            .args(["bob", "b"]),
    );
    let mut text = std::fs::read_to_string(&users).unwrap();
    for (name, kind) in [("i", "-i"), ("d", "-d"), ("id", "-id")] {
        let script = format!(
            "printf open | {} somesalt {kind} -t 2 -m 12 -p 1 -e",
            program("argon2").display()
        );
        text += &format!("{name}:{}\n", output(Command::new("sh").arg("-c").arg(script)).trim());
    }
    std::fs::write(&users, text).unwrap();
    let origin = TestOrigin::start().await;
    let access = format!("access: [ {{ basic: {{ users_file: {} }} }} ]", users.display());
    let (relay, _conn) = Setup::over(&origin).source(&access).start_with(&origin).await;
    for (user, password) in [
        ("ann", "sésame: ouvre"),
        ("bob", "b"),
        ("i", "open"),
        ("d", "open"),
        ("id", "open"),
    ] {
        relay
            .open(&get(PATH).header("Authorization", basic(user, password)))
            .await;
        let wrong = get(PATH).header("Authorization", basic(user, "opeN"));
        assert_eq!(wrong.answer(relay.address).await.head.status, 401, "{user}");
    }
}

#[tokio::test]
async fn tokens_of_pyjwt_are_let_in() {
    let made = output(Command::new("/usr/bin/python3").arg(file("tests/clients/python/sign.py")));
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let keys = TestOrigin::start().await;
    let origin = TestOrigin::start().await;
    let access = format!(
        "access: [ {{ jwt: {{ jwks: \"{}\", issuer: pyjwt, audience: fanfare, claims: {{ role: editor }} }} }} ]",
        keys.url("/jwks.json")
    );
    let relay = Setup::over(&origin).source(&access).start();
    let body = made["jwks"].to_string();
    keys.answer(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    for (algorithm, token) in made["tokens"].as_object().unwrap() {
        let token = token.as_str().unwrap();
        relay
            .open(&get(PATH).header("Authorization", format!("Bearer {token}")))
            .await;
        let forged = get(PATH).header("Authorization", format!("Bearer {}A", &token[..token.len() - 2]));
        assert_eq!(forged.answer(relay.address).await.head.status, 401, "{algorithm}");
    }
}
