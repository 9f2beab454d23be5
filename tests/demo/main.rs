//! The demo's origin over real sockets: feeds, stream, posts.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod crowd;
mod reader;

use fanfare::demo::{Origin, STREAM_PATH, STREAMS_MAX};
use reader::{Stream, ask, feed, get, get_at, post, send};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// An origin that publishes nothing by itself.
fn quiet() -> Origin {
    Origin::start_with(TcpListener::bind("127.0.0.1:0").unwrap(), None).unwrap()
}

#[test]
fn a_post_shows_up_in_the_stream_and_in_the_feed() {
    let origin = quiet();
    let mut stream = Stream::open(&origin, "Host: cue.example.com\r\n");
    let answer = post(&origin, 22, "Hello");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (201, "published 1 in section 22: Hello\n")
    );
    // The address is built from the Host by which the client knows the origin.
    assert_eq!(
        stream.event(),
        ("1".to_owned(), "http://cue.example.com/changelog/section/22".to_owned())
    );
    assert_eq!(feed(&origin, "/changelog/section/22").titles(), ["Hello"]);
    assert!(feed(&origin, "/changelog/section/37").entries.is_empty());
}

#[test]
fn feeds_lead_to_what_is_newer_and_older() {
    let origin = quiet();
    let base = format!("http://{}/changelog/section/22", origin.addr());
    let empty = feed(&origin, "/changelog/section/22");
    assert_eq!(empty.link("self"), Some(base.as_str()));
    assert_eq!(empty.link("previous"), Some(format!("{base}/after/0").as_str()));
    assert_eq!(empty.link("next"), None);

    for n in 1..=30 {
        post(&origin, if n % 10 == 0 { 37 } else { 22 }, &format!("title {n}"));
    }
    // From the address that the empty feed named, everything is found in pages, oldest page first.
    let mut previous = empty.link("previous").unwrap().to_owned();
    let mut found = Vec::new();
    loop {
        let page = feed(&origin, &previous);
        if page.entries.is_empty() {
            // Nothing new: the address to ask again is the one that was asked.
            assert_eq!(page.link("previous"), Some(previous.as_str()));
            break;
        }
        found.splice(0..0, page.entries.clone());
        previous = page.link("previous").unwrap().to_owned();
    }
    let expected: Vec<String> = (1..=30)
        .rev()
        .filter(|n| n % 10 != 0)
        .map(|n| format!("title {n}"))
        .collect();
    assert_eq!(
        found.iter().map(|(_, title)| title.clone()).collect::<Vec<_>>(),
        expected
    );

    // From the newest page, likewise backwards; ids are the same on whatever page an entry stands.
    let mut page = feed(&origin, "/changelog/section/22");
    assert_eq!(page.link("previous"), Some(format!("{base}/after/29").as_str()));
    let mut backwards = page.entries.clone();
    while let Some(next) = page.link("next").map(str::to_owned) {
        page = feed(&origin, &next);
        assert_eq!(page.id, empty.id);
        backwards.extend(page.entries.clone());
    }
    assert_eq!(backwards, found);
}

#[test]
fn every_feed_names_the_stream() {
    let origin = quiet();
    let request = "GET /changelog/section/22/after/7 HTTP/1.0\r\nHost: cue.example.com:8080\r\n\r\n";
    let answer = ask(origin.addr(), request);
    let link = r#"<link rel="http://www.vizrt.com/types/relation/changelog" type="text/event-stream" href="http://cue.example.com:8080/changelog/sse"/>"#;
    assert!(answer.body.contains(link), "{}", answer.body);
    // A Host that is none is refused, and not repeated.
    for host in ["a\"b", "user:secret@example.com", "<x>", "a b", ""] {
        let refused = ask(
            origin.addr(),
            &format!("GET /changelog/section/22 HTTP/1.0\r\nHost: {host}\r\n\r\n"),
        );
        assert_eq!(refused.status, 400, "{host}");
        assert!(host.is_empty() || !refused.body.contains(host), "{}", refused.body);
    }
}

#[test]
fn titles_are_text_whatever_they_hold() {
    let origin = quiet();
    for title in [
        "<b>&amp; ]]> \"quoted\" 'too'",
        "line\nbreak \u{1} \u{fffe}",
        "日本語 🎺",
    ] {
        assert_eq!(post(&origin, 481, title).status, 201);
    }
    let titles = feed(&origin, "/changelog/section/481");
    assert_eq!(
        titles.titles(),
        ["日本語 🎺", "line break    ", "<b>&amp; ]]> \"quoted\" 'too'"]
    );
}

#[test]
fn a_stream_goes_on_after_the_last_event_id() {
    let origin = quiet();
    for n in 1..=5 {
        post(&origin, 22, &n.to_string());
    }
    let ids = |headers: &str, count: usize| {
        let mut stream = Stream::open(&origin, headers);
        (0..count).map(|_| stream.event().0).collect::<Vec<_>>()
    };
    assert_eq!(ids("Last-Event-ID: 3\r\n", 2), ["4", "5"]);
    // Another log's number: everything that is kept.
    assert_eq!(ids("Last-Event-ID: 99\r\n", 5), ["1", "2", "3", "4", "5"]);
    // No number at all: live.
    let mut live = Stream::open(&origin, "Last-Event-ID: x\r\n");
    post(&origin, 22, "6");
    assert_eq!(live.event().0, "6");
}

#[test]
fn streams_are_bounded_and_their_places_come_back() {
    let origin = quiet();
    let mut streams: Vec<Stream> = (0..STREAMS_MAX).map(|_| Stream::open(&origin, "")).collect();
    let refused = get(&origin, STREAM_PATH);
    assert_eq!(refused.status, 503);
    assert!(
        refused.head.to_ascii_lowercase().contains("retry-after: 5"),
        "{}",
        refused.head
    );
    // Feeds and posts have room of their own.
    assert_eq!(post(&origin, 22, "x").status, 201);
    assert_eq!(streams[0].event().0, "1");
    streams.truncate(1);
    // The origin notices the closed connections by itself, soon but not at once.
    let socket = (0..1000).find_map(|_| {
        let mut line = String::new();
        let mut socket = BufReader::new(send(origin.addr(), &format!("GET {STREAM_PATH} HTTP/1.0\r\n\r\n")));
        socket.read_line(&mut line).unwrap();
        line.contains(" 200 ").then_some(socket)
    });
    assert!(socket.is_some(), "no place has come back");
}

#[test]
fn bodies_and_methods_are_bounded() {
    let origin = quiet();
    assert_eq!(post(&origin, 22, &"x".repeat(5000)).status, 413);
    assert_eq!(post(&origin, 23, "no such section").status, 404);
    for path in [
        "/changelog/section/22/after/x",
        "/changelog/section/22/after/1/2",
        "/changelog/section/",
        "/x",
    ] {
        assert_eq!(get(&origin, path).status, 404, "{path}");
    }
    let delete = ask(origin.addr(), "DELETE /changelog/section/22 HTTP/1.0\r\n\r\n");
    assert_eq!(delete.status, 405);
    assert!(
        delete.head.to_ascii_lowercase().contains("allow: get, head, post"),
        "{}",
        delete.head
    );
    let head = ask(origin.addr(), &format!("HEAD {STREAM_PATH} HTTP/1.0\r\n\r\n"));
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn the_page_follows_the_stream_behind_the_relay() {
    let origin = quiet();
    assert!(get(&origin, "/").body.contains("data-stream=\"/changelog/sse\""));
    origin.set_relayed_stream("http://127.0.0.1:9080/changelog/sse?a=\"&b".to_owned());
    let page = get(&origin, "/").body;
    assert!(page.contains("data-stream=\"http://127.0.0.1:9080/changelog/sse?a=&quot;&amp;b\""));
    assert!(!page.contains("{{"));
}

#[test]
fn it_publishes_by_itself() {
    let every = Duration::from_millis(5)..=Duration::from_millis(15);
    let origin = Origin::start_with(TcpListener::bind("127.0.0.1:0").unwrap(), Some(every)).unwrap();
    let mut stream = Stream::open(&origin, "");
    for _ in 0..5 {
        let (id, data) = stream.event();
        assert!(id.parse::<u64>().unwrap() > 0);
        assert!(data.contains("/changelog/section/"));
    }
}

#[test]
fn dropping_it_ends_its_streams() {
    let origin = quiet();
    let addr = origin.addr();
    let mut stream = Stream::open(&origin, "");
    drop(origin);
    let mut rest = Vec::new();
    // An end or a reset; a stream that stays open would run into the timeout.
    if let Err(error) = stream.0.read_to_end(&mut rest) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    assert!(TcpStream::connect(addr).is_err());
}

/// The program, as a person starts it: on ports of its own.
#[test]
fn the_program_says_what_to_try_and_ends_at_once() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args([
            "demo",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--page",
            "127.0.0.1:0",
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut banner = String::new();
    while !banner.contains("Ctrl-C") {
        assert_ne!(out.read_line(&mut banner).unwrap(), 0, "it has ended: {banner}");
    }
    assert!(banner.starts_with("An origin with a change log"), "{banner}");
    assert!(banner.contains("Only this machine"), "{banner}");
    let addr = |after: &str| -> SocketAddr {
        let rest = banner.split_once(after).unwrap().1.split_once("http://").unwrap().1;
        rest.split_once('/').unwrap().0.parse().unwrap()
    };
    // A stream is open when it ends, so that there is something to drain.
    let request = format!("GET {STREAM_PATH} HTTP/1.0\r\n\r\n");
    let mut stream = send(addr("Watch the stream"), &request);
    assert!(stream.read(&mut [0; 64]).unwrap() > 0);
    assert_eq!(get_at(addr("Open in a browser"), "/").status, 200);
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("Draining"), "{rest}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "nothing to warn of");
    let mut end = String::new();
    stream.read_to_string(&mut end).unwrap();
    assert!(end.trim_end().lines().last().unwrap().starts_with("retry:"), "{end}");
}
