//! `openssl s_client`, which shows what a handshake agreed on, and can ask for what is refused.

use crate::support::client::find;
use crate::support::origin::{TestOrigin, within};
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::support::tls::{Authority, NAME};
use crate::tools::program;
use std::process::Stdio;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// A relay with two certificates, the second for `other.test`.
async fn relay(authority: &Authority, keys: &str) -> (TestRelay, TestOrigin) {
    authority.issue("relay", &[NAME]);
    authority.issue("other", &["other.test"]);
    let pair = |file: &str| {
        let path = |extension: &str| authority.path(&format!("{file}.{extension}")).display().to_string();
        format!("{{ cert: {}, key: {} }}", path("pem"), path("key"))
    };
    let tls = format!("{{ certificates: [ {}, {} ], {keys} }}", pair("relay"), pair("other"));
    let origin = TestOrigin::start().await;
    let listen = format!("{{ address: '127.0.0.1:0', tls: {tls} }}");
    let relay = Setup::over(&origin).listen(&listen).start();
    (relay, origin)
}

struct Client(Child);

impl Client {
    fn start(relay: &TestRelay, authority: &Authority, options: &[&str]) -> Self {
        let child = Command::new(program("openssl"))
            .args(["s_client", "-connect", &relay.address.to_string(), "-CAfile"])
            .arg(authority.ca())
            .args(["-verify_return_error", "-nocommands"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self(child)
    }

    async fn says(&mut self, text: &str) {
        let input = self.0.stdin.as_mut().unwrap();
        input.write_all(text.as_bytes()).await.unwrap();
        input.flush().await.unwrap();
    }

    /// Everything that it prints, until this is in it.
    async fn until(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        let output = self.0.stdout.as_mut().unwrap();
        while find(&seen, text.as_bytes()).is_none() {
            let more = within(text, output.read_buf(&mut seen)).await.unwrap();
            assert!(more > 0, "no {text:?} in {}", String::from_utf8_lossy(&seen));
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// Everything that it prints when there is no more to say.
    async fn finish(mut self) -> String {
        drop(self.0.stdin.take());
        let output = within("openssl to end", self.0.wait_with_output()).await.unwrap();
        let both = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&both).into_owned()
    }
}

#[tokio::test]
async fn both_versions_and_names() {
    let authority = Authority::new();
    let (relay, _origin) = relay(&authority, "").await;
    for (options, version, subject) in [
        (["-tls1_3", "-servername", NAME], "TLSv1.3", "relay"),
        (["-tls1_2", "-servername", NAME], "TLSv1.2", "relay"),
        (["-tls1_3", "-servername", "other.test"], "TLSv1.3", "other"),
        (["-tls1_2", "-servername", "unknown.test"], "TLSv1.2", "relay"),
    ] {
        let mut client = Client::start(&relay, &authority, &options);
        client
            .says(&format!(
                "GET {PATH} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n"
            ))
            .await;
        let seen = client.until("retry: ").await;
        assert!(
            seen.contains(version) && seen.contains("Verify return code: 0 (ok)"),
            "{seen}"
        );
        let pem = std::fs::read_to_string(authority.path(&format!("{subject}.pem"))).unwrap();
        let first = pem.split("-----END").next().unwrap().trim_end();
        assert!(seen.contains(first), "{subject} by {options:?}: {seen}");
    }
    for old in ["-tls1", "-tls1_1"] {
        let seen = Client::start(&relay, &authority, &[old, "-cipher", "DEFAULT@SECLEVEL=0"])
            .finish()
            .await;
        assert!(seen.contains("Cipher is (NONE)"), "{old}: {seen}");
    }
}

#[tokio::test]
async fn sessions_are_resumed() {
    let authority = Authority::new();
    let (relay, _origin) = relay(&authority, "").await;
    let file = authority.path("session").display().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        for (option, expected) in [("-sess_out", "New, "), ("-sess_in", "Reused, ")] {
            let mut client = Client::start(&relay, &authority, &[version, "-servername", NAME, option, &file]);
            // In TLS 1.3 the ticket comes behind the handshake, before the answer.
            client.says("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let seen = client.until("no source serves").await;
            assert!(seen.contains(expected), "{version} {option}: {seen}");
            client.finish().await;
        }
    }
}

#[tokio::test]
async fn a_renegotiation_is_refused() {
    let authority = Authority::new();
    let (relay, _origin) = relay(&authority, "").await;
    let mut client = Command::new(program("openssl"))
        .args([
            "s_client",
            "-connect",
            &relay.address.to_string(),
            "-tls1_2",
            "-servername",
            NAME,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map(Client)
        .unwrap();
    client.until("Verify return code").await;
    // A line with an `R` alone asks for it.
    client.says("R\n").await;
    let seen = client.finish().await;
    assert!(
        seen.contains("RENEGOTIATING") && (seen.contains("no renegotiation") || seen.contains("alert")),
        "{seen}"
    );
    relay.eventually_clients(0).await;
}

#[tokio::test]
async fn a_clients_certificate() {
    let authority = Authority::new();
    let keys = format!("client_ca: {}", authority.ca().display());
    let (relay, _origin) = relay(&authority, &keys).await;
    authority.issue("client", &["a.client"]);
    let path = |extension: &str| authority.path(&format!("client.{extension}")).display().to_string();
    let (cert, key) = (path("pem"), path("key"));
    for version in ["-tls1_2", "-tls1_3"] {
        let shown = [version, "-servername", NAME, "-cert", &cert, "-key", &key];
        let mut client = Client::start(&relay, &authority, &shown);
        client.says("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.until("no source serves").await;
        let mut client = Client::start(&relay, &authority, &[version, "-servername", NAME]);
        client.says("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
        // It would end with its input, before it has read.
        let _input = client.0.stdin.take();
        let seen = within("it to be refused", client.0.wait_with_output()).await.unwrap();
        let seen = String::from_utf8_lossy(&seen.stderr).into_owned();
        assert!(seen.contains("alert"), "{version}: {seen}");
    }
}
