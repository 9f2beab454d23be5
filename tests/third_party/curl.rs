//! `curl -N`, which shows the stream as bytes: over every version, to the end and beyond.

use crate::stream::{EVERYTHING, TYPES, assert_numbered, dispatched, publish};
use crate::support::client::{Event, find};
use crate::support::origin::{RequestHead, TestOrigin, within};
use crate::support::process::TestProcess;
use crate::support::reference::dispatch;
use crate::support::relay::{PATH, Setup};
use crate::support::tls::{Authority, NAME};
use crate::tools::program;
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout, Command};

/// What curl says when the connection ended and the transfer had not.
const PARTIAL_FILE: i32 = 18;

/// The versions, and what an answer in each may not or must have.
const VERSIONS: [(&str, Option<&str>); 3] = [
    ("--http1.1", Some("chunked")),
    ("--http1.0", None),
    ("--http2-prior-knowledge", None),
];

struct Curl {
    child: Child,
    output: ChildStdout,
    seen: Vec<u8>,
}

impl Curl {
    fn start(relay: SocketAddr, options: &[&str]) -> Self {
        Self::ask(&format!("http://{relay}{PATH}"), options)
    }

    fn ask(url: &str, options: &[&str]) -> Self {
        // No settings of whoever runs the tests, no proxy of theirs, and the head before the body.
        let mut child = Command::new(program("curl"))
            .args(["-q", "--noproxy", "*", "-sN", "-D", "-"])
            .args(options)
            .arg(url)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        Self {
            child,
            output,
            seen: Vec::new(),
        }
    }

    /// Reads until the body holds this text.
    async fn until(&mut self, text: &str) {
        while find(&self.seen, text.as_bytes()).is_none() {
            let more = within(text, self.output.read_buf(&mut self.seen)).await.unwrap();
            assert!(more > 0, "no {text:?} in {}", self.seen.escape_ascii());
        }
    }

    /// Waits for its end; what it says of it.
    async fn exit(&mut self) -> i32 {
        within("the end of the output", self.output.read_to_end(&mut self.seen))
            .await
            .unwrap();
        within("curl to end", self.child.wait()).await.unwrap().code().unwrap()
    }

    fn head(&self) -> RequestHead {
        RequestHead::parse(&self.seen[..self.body_at()])
    }

    fn body_at(&self) -> usize {
        find(&self.seen, b"\r\n\r\n").expect("a head") + 4
    }

    fn events(&self) -> Vec<Event> {
        let events = dispatch(&self.seen[self.body_at()..]).events.into_iter();
        events
            .map(|(event_type, data, id)| Event {
                event_type: String::from_utf8(event_type).unwrap(),
                data: String::from_utf8(data).unwrap(),
                id,
            })
            .collect()
    }
}

#[tokio::test]
async fn it_shows_the_stream_as_it_comes() {
    for (version, coding) in VERSIONS {
        let origin = TestOrigin::start().await;
        let (relay, mut conn) = Setup::over(&origin).source("ids: pass").start_with(&origin).await;
        // It says that it accepts anything, and gets the stream.
        let mut curl = Curl::start(relay.address, &[version]);
        curl.until("retry: ").await;
        let head = curl.head();
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(head.header("transfer-encoding"), coding);
        for piece in EVERYTHING.as_bytes().chunks(7) {
            conn.body(piece).await;
        }
        curl.until("data: last\n\n").await;
        let mut events = curl.events();
        events.retain(|event| TYPES.contains(&&event.event_type[..]));
        assert_eq!(events, dispatched(EVERYTHING));
    }
}

#[tokio::test]
async fn compressed_it_shows_the_same_and_believes_its_end() {
    for (version, coding) in [VERSIONS[0], VERSIONS[2]] {
        let origin = TestOrigin::start().await;
        let setup = Setup::over(&origin).source("compress: gzip\nids: pass\nmax_age: 1500ms");
        let (relay, mut conn) = setup.start_with(&origin).await;
        let mut curl = Curl::start(relay.address, &[version, "--compressed"]);
        curl.until("retry: ").await;
        let head = curl.head();
        assert_eq!(head.header("content-encoding"), Some("gzip"));
        assert_eq!(head.header("transfer-encoding"), coding);
        for piece in EVERYTHING.as_bytes().chunks(7) {
            conn.body(piece).await;
        }
        curl.until("data: last\n\n").await;
        let mut events = curl.events();
        events.retain(|event| TYPES.contains(&&event.event_type[..]));
        assert_eq!(events, dispatched(EVERYTHING));
        assert_eq!(curl.exit().await, 0, "{version}: its checksum and its size are right");
    }
}

#[tokio::test]
async fn over_http_1_0_there_are_no_chunks_and_the_connections_end_is_the_end() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source("ids: pass\nmax_age: 1s\nstart: earliest\nretry: relay");
    let (relay, mut conn) = setup.start_with(&origin).await;
    publish(&mut conn, 0..1).await;
    relay.received(1).await;
    // Raw: chunk lines would show.
    let mut curl = Curl::start(relay.address, &["--http1.0", "--raw"]);
    assert_eq!(curl.exit().await, 0);
    let head = curl.head();
    assert_eq!(head.header("connection"), Some("close"));
    assert_eq!(
        (head.header("transfer-encoding"), head.header("content-length")),
        (None, None)
    );
    assert_eq!(
        curl.seen[curl.body_at()..].escape_ascii().to_string(),
        ":\\n\\nid: 0\\ndata: 0\\n\\n"
    );
}

#[tokio::test]
async fn it_goes_on_where_it_was_cut() {
    for (version, _) in VERSIONS {
        let origin = TestOrigin::start().await;
        let setup = Setup::over(&origin).source("ids: pass\nmax_age: 1s\nstart: earliest");
        let (relay, mut conn) = setup.start_with(&origin).await;
        publish(&mut conn, 0..3).await;
        relay.received(3).await;
        let mut first = Curl::start(relay.address, &[version]);
        assert_eq!(first.exit().await, 0, "{version}: an end in order");
        assert_numbered(&first.events(), 0..3);
        publish(&mut conn, 3..5).await;
        relay.received(5).await;
        let mut second = Curl::start(relay.address, &[version, "-H", "Last-Event-ID: 2"]);
        second.until("data: 4\n\n").await;
        assert_numbered(&second.events(), 3..5);
    }
}

#[tokio::test]
async fn it_notices_a_cut_that_is_no_end() {
    for options in [&[][..], &["--compressed"]] {
        let origin = TestOrigin::start().await;
        let setup = Setup::over(&origin).source("compress: gzip\nids: pass");
        let mut process = TestProcess::start(&setup).await;
        let mut conn = origin.accept().await;
        conn.stream_head().await;
        let mut curl = Curl::start(process.address, options);
        curl.until("retry: ").await;
        publish(&mut conn, 0..2).await;
        curl.until("data: 1\n\n").await;
        process.signal(rustix::process::Signal::KILL);
        process.exit().await;
        assert_eq!(curl.exit().await, PARTIAL_FILE);
        assert_numbered(&curl.events(), 0..2);
    }
}

#[tokio::test]
async fn over_tls_it_shows_the_stream_and_believes_its_end() {
    let authority = Authority::new();
    authority.issue("relay", &[NAME]);
    let ca = authority.ca().display().to_string();
    let listen = format!("{{ address: '127.0.0.1:0', tls: {} }}", authority.tls("relay", ""));
    for version in ["1.2", "1.3"] {
        let origin = TestOrigin::start().await;
        let setup = Setup::over(&origin)
            .listen(&listen)
            .source("ids: pass\nmax_age: 1s\nstart: earliest");
        let (relay, mut conn) = setup.start_with(&origin).await;
        publish(&mut conn, 0..3).await;
        relay.received(3).await;
        let url = format!("https://{NAME}:{}{PATH}", relay.address.port());
        let resolve = format!("{NAME}:{}:127.0.0.1", relay.address.port());
        let options = ["--cacert", &ca, "--resolve", &resolve, "--tls-max", version];
        let mut curl = Curl::ask(&url, &options);
        assert_eq!(curl.exit().await, 0, "{version}: an end in order");
        assert_numbered(&curl.events(), 0..3);
        // Over HTTP/1.0 the connection's end is the end, and TLS says that it is one.
        let mut curl = Curl::ask(&url, &[&options[..], &["--http1.0"]].concat());
        assert_eq!(curl.exit().await, 0, "{version}");
        let mut stranger = Curl::ask(&url, &options[2..]);
        assert_eq!(
            stranger.exit().await,
            PEER_NOT_VERIFIED,
            "{version}: an authority that is not known"
        );
    }
}

/// What curl says of a certificate that it does not believe.
const PEER_NOT_VERIFIED: i32 = 60;
