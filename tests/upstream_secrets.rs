//! What is secret comes into no log line, no failure and no status.
//!
//! A program of its own, since it listens to the log: other tests in the same process decide about
//! log lines too.
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod support;

#[path = "upstream/running.rs"]
#[allow(dead_code, unreachable_pub, reason = "one story needs a part of it")]
mod running;

use crate::running::{Told, basic, config, run};
use crate::support::origin::TestOrigin;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;
    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

#[tokio::test]
async fn no_secret_is_told_to_anyone_but_the_origin() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .with_env_filter("fanfare=trace");
    let _guard = tracing::subscriber::set_default(subscriber.finish());

    let origin = TestOrigin::start().await;
    let with_secrets = format!("http://us3r:s3cret@{}/sse?token=s3cret", origin.address());
    let mut config = config(with_secrets);
    config.credentials = basic("relay", "s3cret");
    config.headers = vec![("x-api-key".parse().unwrap(), "s3cret".parse().unwrap())];
    let mut upstream = run(config);
    let mut seen = Vec::new();
    for answer in [
        "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: ftp://u:s3cret@h/?t=s3cret#s3cret\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://u:s3cret@127.0.0.1:1/?t=s3cret\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let request = origin.answer(answer).await;
        assert_eq!(request.target(), "/sse?token=s3cret");
        assert_eq!(request.header("authorization"), Some("Basic cmVsYXk6czNjcmV0"));
        loop {
            let told = upstream.told().await;
            seen.push(format!("{told:?}"));
            seen.push(format!("{:?}", upstream.status.read()));
            if matches!(told, Told::Failed(_) | Told::Ended) {
                break;
            }
        }
    }
    upstream.returned().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for said in [
        "connecting",
        "connected",
        "failed",
        "ended",
        "reason=\"status\"",
        "token=***",
    ] {
        assert!(log.contains(said), "{said} in\n{log}");
    }
    for text in seen.iter().chain([&log]) {
        for secret in ["s3cret", "us3r", "czNjcmV0"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
