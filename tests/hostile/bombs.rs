//! Origins that mean harm: what they send has no end, unpacks to more than it is, or leads in
//! circles. Each is a source of its own, beside the one that the audience follows.

use crate::audience::{Audience, SMALL};
use crate::support::client::ask;
use crate::support::origin::PATIENCE;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What each does: its path, and what an attempt at it fails with.
const BOMBS: [(&str, &str); 11] = [
    ("circle", "redirect"),
    ("far", "redirect"),
    ("gzip", "content_encoding"),
    ("informational", "protocol"),
    ("head", "protocol"),
    ("sizes", "protocol"),
    ("feed-entities", "feed"),
    ("feed-external", "feed"),
    ("feed-deep", "feed"),
    ("feed-endless", "feed"),
    ("feed-gzip", "content_encoding"),
];

/// How often each is tried before the story is over.
const TIMES: f64 = 3.0;

/// What the relay may have grown by: two feeds of the largest size, read and parsed, beside each
/// other.
const GROWTH_KIB_MAX: u64 = 200 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn origins_whose_answers_are_bombs_fail_by_themselves() {
    let at = hostile_origin().await;
    let sources = |setup: crate::support::relay::Setup| {
        BOMBS.iter().fold(setup, |setup, (name, _)| {
            let key = if name.starts_with("feed") { "feed" } else { "url" };
            setup.beside(&format!(
                "{name}: {{ path: /{name}, required: false, upstream: {{ {key}: \"http://{at}/{name}\", \
                 reconnect: 200ms, reconnect_max: 1s, connect_timeout: 2s, read_timeout: 2s }} }}"
            ))
        })
    };
    let audience = Audience::gather(SMALL, sources).await;
    let before = audience.relay.resident_kib();
    for (name, reason) in BOMBS {
        until_failed(&audience, name, reason).await;
    }
    let grown = audience.relay.resident_kib().saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB");
    audience.dismiss().await;
}

async fn until_failed(audience: &Audience, source: &str, reason: &str) {
    let began = Instant::now();
    loop {
        let scrape = ask("GET", "/metrics").answer(audience.relay.admin).await.body;
        let wanted = format!("fanfare_upstream_reconnects_total{{source=\"{source}\"");
        let of_source: Vec<&str> = scrape.lines().filter(|line| line.starts_with(&wanted)).collect();
        let times: f64 = of_source
            .iter()
            .filter(|line| line.contains(&format!("reason=\"{reason}\"")))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum();
        if times >= TIMES {
            return;
        }
        assert!(
            began.elapsed() < 2 * PATIENCE,
            "{source} does not fail by {reason}: {of_source:#?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn hostile_origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            tokio::spawn(answer(io));
        }
    });
    at
}

/// Answers one request. The relay may end it at any time.
async fn answer(mut io: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match io.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let _ = match path.trim_start_matches('/').split('/').next().unwrap() {
        "circle" => {
            send(
                &mut io,
                "HTTP/1.1 302 Found\r\nLocation: /circle\r\nContent-Length: 0\r\n\r\n",
            )
            .await
        }
        // Each leads to another one.
        "far" => {
            let location = format!("Location: {path}/on\r\nContent-Length: 0\r\n\r\n");
            send(&mut io, &format!("HTTP/1.1 307 Temporary Redirect\r\n{location}")).await
        }
        "gzip" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n";
            for_ever(&mut io, head, "\x1f\x08aaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await
        }
        "informational" => for_ever(&mut io, "", "HTTP/1.1 102 Processing\r\nX: y\r\n\r\n").await,
        "head" => for_ever(&mut io, "HTTP/1.1 200 OK\r\n", "X-Bomb: y\r\n").await,
        // The extension of a chunk.
        "sizes" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n1;";
            for_ever(&mut io, head, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await
        }
        "feed-entities" => feed(&mut io, "", &entities()).await,
        "feed-external" => {
            let external = "<!DOCTYPE feed [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><feed>&a;</feed>";
            feed(&mut io, "", external).await
        }
        "feed-deep" => feed(&mut io, "", &"<a>".repeat(100_000)).await,
        "feed-gzip" => feed(&mut io, "Content-Encoding: gzip\r\n", "\x1f\x08").await,
        "feed-endless" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/atom+xml\r\n\r\n<feed>";
            for_ever(&mut io, head, "<entry/><entry/><entry/><entry/>").await
        }
        other => panic!("{other}"),
    };
}

/// A billion laughs: ten entities, of which each is ten of the one before.
fn entities() -> String {
    let mut declared = "<!ENTITY e0 \"laugh\">".to_owned();
    for n in 1..10 {
        declared += &format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10));
    }
    format!("<!DOCTYPE feed [{declared}]><feed xmlns=\"http://www.w3.org/2005/Atom\"><title>&e9;</title></feed>")
}

async fn feed(io: &mut TcpStream, fields: &str, body: &str) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/atom+xml\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    );
    send(io, &(head + body)).await
}

async fn for_ever(io: &mut TcpStream, beginning: &str, more: &str) -> std::io::Result<()> {
    send(io, beginning).await?;
    let piece = more.repeat(16 * 1024 / more.len());
    loop {
        send(io, &piece).await?;
    }
}

async fn send(io: &mut TcpStream, text: &str) -> std::io::Result<()> {
    io.write_all(text.as_bytes()).await
}
