//! Towards the engine: who it is, who the relay is, and what becomes of secrets that are replaced.

use crate::identity::{Operator, authorization, nkey};
use crate::nats::{Nats, Version};
use crate::support::process::TestProcess;
use crate::support::relay::Setup;
use crate::support::tls::Authority;
use crate::{Feed, client, up_to};
use std::path::Path;
use std::time::{Duration, Instant};

/// In every secret of these stories.
const SECRET: &str = "hunter";

/// A relay alone, with this of `fleet` beside the rest.
pub fn relay(nats: &Nats, feed: &Feed, more: &str) -> Setup {
    let fleet = format!(
        "fleet: {{ nats: [{}], instance: a, replicas: 1, append_timeout: 1s, {more} }}",
        nats.urls()
    );
    Setup::at(&feed.url()).top(&fleet).source("fleet: true")
}

/// What keeps it from the log, once it says this.
pub async fn says(relay: &TestProcess, wanted: &str) -> String {
    let began = Instant::now();
    loop {
        let status = relay.status().await;
        let said = status["sources"][0]["fleet"]["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if said.contains(wanted) {
            return said;
        }
        assert!(began.elapsed() < Duration::from_secs(25), "{said:?} and not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn live(relay: &TestProcess) {
    let began = Instant::now();
    loop {
        let status = relay.status().await;
        let source = &status["sources"][0];
        if source["state"] == "live" && source["fleet"]["error"].is_null() {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(25), "{source:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What an operator or a peer gets to see holds none of it.
pub async fn keeps_secrets(relay: &TestProcess, secrets: &[&str]) {
    let (ready, readyz) = crate::support::relay::readyz(relay.admin).await;
    let status = relay.status().await;
    let metrics = crate::support::client::ask("GET", "/metrics")
        .answer(relay.admin)
        .await
        .body;
    for secret in secrets {
        for said in [&relay.whole_log(), &readyz.to_string(), &status.to_string(), &metrics] {
            assert!(!said.contains(secret), "{secret:?} is shown: {ready} {said}");
        }
    }
}

async fn a_password_that_is_replaced(version: Version) {
    let nats = Nats::start_with(version, 1, &authorization("relay", "hunter2")).await;
    let feed = Feed::start(true).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "hunter1\n").unwrap();
    let user = format!("user: relay, password_file: {}", file.display());
    let relay = TestProcess::start(&relay(&nats, &feed, &user)).await;
    says(&relay, "authorization violation").await;
    std::fs::write(&file, "hunter2\n").unwrap();
    live(&relay).await;
    let mut client = client(&relay, None).await;
    let last = feed.publish(10).to_string();
    up_to(&mut client, &last).await;

    nats.write_config(0, &authorization("relay", "hunter3"));
    nats.reload(0);
    says(&relay, "authorization violation").await;
    let last = feed.publish(10).to_string();
    std::fs::write(&file, "hunter3\n").unwrap();
    let history = up_to(&mut client, &last).await;
    assert_eq!(history.len(), 10, "nothing is lost meanwhile");
    live(&relay).await;
    // It is gone at the moment at which it is wanted.
    std::fs::remove_file(&file).unwrap();
    nats.write_config(0, &authorization("relay", "hunter4"));
    nats.reload(0);
    says(&relay, "can't be read").await;
    keeps_secrets(&relay, &[SECRET]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_replaced_at_the_oldest_engine() {
    a_password_that_is_replaced(Version::V2_9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_replaced_at_the_newest_engine() {
    a_password_that_is_replaced(Version::V2_15).await;
}

/// A key alone, and a key with a token: in a file as the tools write it.
async fn credentials(version: Version) {
    let feed = Feed::start(true).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("relay.creds");
    let credentials = format!("credentials_file: {}", file.display());

    let (key, other) = (nkey(), nkey());
    let users = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", key.public_key());
    let nats = Nats::start_with(version, 1, &users).await;
    std::fs::write(&file, other.seed().unwrap()).unwrap();
    let process = TestProcess::start(&relay(&nats, &feed, &credentials)).await;
    says(&process, "authorization violation").await;
    std::fs::write(&file, "SU of nothing").unwrap();
    says(&process, "relay.creds: no usable credentials").await;
    std::fs::write(&file, key.seed().unwrap()).unwrap();
    live(&process).await;
    keeps_secrets(&process, &[&key.seed().unwrap(), &other.seed().unwrap(), "SU of"]).await;

    let operator = Operator::new();
    let nats = Nats::start_with(version, 1, &operator.config()).await;
    let (of_another, seed) = Operator::new().user("relay");
    std::fs::write(&file, of_another).unwrap();
    let process = TestProcess::start(&relay(&nats, &feed, &credentials)).await;
    says(&process, "authorization violation").await;
    let (good, good_seed) = operator.user("relay");
    std::fs::write(&file, &good).unwrap();
    live(&process).await;
    let token = good.lines().find(|line| line.starts_with("ey")).unwrap();
    keeps_secrets(&process, &[&seed, &good_seed, token]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_at_the_oldest_engine() {
    credentials(Version::V2_9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_at_the_newest_engine() {
    credentials(Version::V2_15).await;
}

/// A server's `tls` with a certificate that was issued.
fn tls(authority: &Authority, file: &str, more: &str) -> String {
    let (cert, key) = (
        authority.path(&format!("{file}.pem")),
        authority.path(&format!("{file}.key")),
    );
    format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", timeout: 5, {more} }}",
        cert.display(),
        key.display()
    )
}

/// Starts the server again with another certificate.
async fn shows(nats: &mut Nats, tls: &str) {
    nats.kill(0);
    nats.write_config(0, tls);
    nats.run(0).await;
}

async fn certificates(version: Version) {
    let (ours, others) = (Authority::new(), Authority::new());
    ours.issue("good", &["127.0.0.1"]);
    ours.issue("named", &["other.test"]);
    ours.issue_with("expired", &["127.0.0.1"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    others.issue("strange", &["127.0.0.1"]);
    let mut nats = Nats::start_with(version, 1, &tls(&others, "strange", "")).await;
    let feed = Feed::start(true).await;
    let ca = ours.ca();
    let relay = TestProcess::start(&relay(&nats, &feed, &format!("tls: {{ ca: {} }}", ca.display()))).await;
    // The authorities of tests go by the same name: else it would be unknown.
    says(&relay, "BadSignature").await;
    shows(&mut nats, &tls(&ours, "named", "")).await;
    says(&relay, "not valid for name").await;
    shows(&mut nats, &tls(&ours, "expired", "")).await;
    says(&relay, "expired").await;
    shows(&mut nats, &tls(&ours, "good", "")).await;
    live(&relay).await;
    let mut client = client(&relay, None).await;
    let last = feed.publish(5).to_string();
    up_to(&mut client, &last).await;

    // Another authority takes over: told while it is not known, and no end of the stream.
    shows(&mut nats, &tls(&others, "strange", "")).await;
    let last = feed.publish(5).to_string();
    says(&relay, "BadSignature").await;
    std::fs::copy(others.ca(), &ca).unwrap();
    assert_eq!(up_to(&mut client, &last).await.len(), 5);
    // No TLS at all is no way around it.
    shows(&mut nats, "").await;
    says(&relay, "not connected").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_the_oldest_engine() {
    certificates(Version::V2_9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_the_newest_engine() {
    certificates(Version::V2_15).await;
}

fn replace(from: &Authority, file: &str, to: &Path) {
    for extension in ["pem", "key"] {
        std::fs::copy(from.path(&format!("{file}.{extension}")), to.with_extension(extension)).unwrap();
    }
}

/// An engine that asks who the relay is by a certificate.
async fn a_certificate_of_the_relay(version: Version) {
    let (ours, others) = (Authority::new(), Authority::new());
    ours.issue("engine", &["127.0.0.1"]);
    ours.issue("relay", &["relay.test"]);
    others.issue("relay", &["relay.test"]);
    let verify = |clients: &Authority| format!("verify: true, ca_file: \"{}\"", clients.ca().display());
    let mut nats = Nats::start_with(version, 1, &tls(&ours, "engine", &verify(&ours))).await;
    let feed = Feed::start(true).await;
    let ca = ours.ca();
    let without = TestProcess::start(&relay(&nats, &feed, &format!("tls: {{ ca: {} }}", ca.display()))).await;
    says(&without, "not connected").await;

    let dir = tempfile::tempdir().unwrap();
    let shown = dir.path().join("shown.pem");
    replace(&others, "relay", &shown);
    let files = format!(
        "tls: {{ ca: {}, cert: {}, key: {} }}",
        ca.display(),
        shown.display(),
        shown.with_extension("key").display()
    );
    let relay = TestProcess::start(&relay(&nats, &feed, &files)).await;
    says(&relay, "not connected").await;
    replace(&ours, "relay", &shown);
    live(&relay).await;
    let mut client = client(&relay, None).await;
    let last = feed.publish(5).to_string();
    up_to(&mut client, &last).await;

    // The engine believes another authority from now on; so does what the relay shows, a while later.
    shows(&mut nats, &tls(&ours, "engine", &verify(&others))).await;
    let last = feed.publish(5).to_string();
    says(&relay, "not connected").await;
    std::fs::write(shown.with_extension("key"), "half").unwrap();
    says(&relay, "no private key in it").await;
    replace(&others, "relay", &shown);
    assert_eq!(up_to(&mut client, &last).await.len(), 5);
    live(&relay).await;
    keeps_secrets(&relay, &["PRIVATE KEY"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_the_oldest_engine() {
    a_certificate_of_the_relay(Version::V2_9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_the_newest_engine() {
    a_certificate_of_the_relay(Version::V2_15).await;
}
