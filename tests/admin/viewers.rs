//! The event stream that the dashboard lives on.

use super::{CONNECTIONS, Relay, ask, start, start_with};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// As many as there may be.
const VIEWERS: usize = 16;

/// A viewer's stream.
struct Viewer {
    lines: BufReader<TcpStream>,
    status: String,
}

impl Viewer {
    fn open(addr: SocketAddr, target: &str) -> Self {
        let mut socket = TcpStream::connect(addr).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // Over HTTP/1.0 there are no chunks in between.
        write!(socket, "GET {target} HTTP/1.0\r\n\r\n").unwrap();
        let mut lines = BufReader::new(socket);
        let mut status = String::new();
        lines.read_line(&mut status).unwrap();
        Self { lines, status }
    }

    /// The data of the next event of this type.
    fn until(&mut self, event: &str) -> Value {
        let (mut line, mut is_it) = (String::new(), false);
        loop {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "ended before {event}");
            if let Some(name) = line.strip_prefix("event: ") {
                is_it = name.trim() == event;
            }
            if let Some(data) = line.strip_prefix("data: ").filter(|_| is_it) {
                return serde_json::from_str(data).unwrap();
            }
        }
    }

    /// The name of its first event.
    fn first_event(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "ended before any event");
            if let Some(name) = line.strip_prefix("event: ") {
                return name.trim().to_owned();
            }
        }
    }

    /// What is left of it.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        rest
    }
}

fn looks(relay: &Arc<Relay>) -> usize {
    relay.looks.load(Ordering::SeqCst)
}

#[test]
fn a_viewer_is_told_what_is_there_and_of_its_source() {
    let (admin, relay) = start();
    let mut viewer = Viewer::open(admin.addr(), "/status/stream?source=changelog");
    assert!(viewer.status.starts_with("HTTP/1.1 200") || viewer.status.starts_with("HTTP/1.0 200"));
    let overview = viewer.until("overview");
    assert_eq!(
        (&overview["ready"], &overview["clients"]),
        (&true.into(), &28_000.into())
    );
    assert_eq!(overview["limits"]["clients"], 30_000);
    let row = &overview["sources"][0];
    assert_eq!((&row["name"], &row["state"]), (&"changelog".into(), &"away".into()));
    assert_eq!(row["trouble"], "status: 502 Bad Gateway");
    let source = viewer.until("source");
    assert_eq!(source["source"]["slowest"][0]["peer"], "192.0.2.1:50000");
    assert_eq!(source["source"]["lag"]["spread"]["10"], 1);

    // Two seconds later it is told what has become of it.
    relay.readiness.lock().unwrap().draining = true;
    assert_eq!(viewer.until("overview")["ready"], false);
    // One that does not exist (any more) is none.
    let mut other = Viewer::open(admin.addr(), "/status/stream?source=none");
    assert_eq!(other.until("source"), Value::Null);
}

#[test]
fn without_viewers_nothing_is_looked_at() {
    let (admin, relay) = start();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(looks(&relay), 0);
    let mut viewers: Vec<_> = (0..5).map(|_| Viewer::open(admin.addr(), "/status/stream")).collect();
    for viewer in &mut viewers {
        viewer.until("overview");
    }
    assert!(looks(&relay) <= 3, "one look is for all");
    drop(viewers);
    // The last one's leaving is noticed; then looks end.
    let (began, mut before) = (Instant::now(), usize::MAX);
    while looks(&relay) != before {
        before = looks(&relay);
        assert!(began.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(2500));
    }
}

#[test]
fn there_are_so_many_viewers_and_always_room_for_a_probe() {
    for (connections, places) in [(CONNECTIONS, VIEWERS), (8, 2)] {
        let (admin, _relay) = start_with(connections, "a");
        let mut viewers: Vec<_> = (0..places)
            .map(|_| Viewer::open(admin.addr(), "/status/stream"))
            .collect();
        viewers.iter_mut().for_each(|viewer| drop(viewer.until("overview")));
        let full = Viewer::open(admin.addr(), "/status/stream").rest();
        assert!(full.contains("retry: 10000\nevent: full\n"), "{full}");
        for path in ["/livez", "/readyz", "/metrics", "/status"] {
            assert_eq!(ask(admin.addr(), "GET", path).status, 200, "{path}");
        }
        // One leaves, and there is a place again.
        drop(viewers.pop());
        let began = Instant::now();
        while Viewer::open(admin.addr(), "/status/stream").first_event() == "full" {
            assert!(began.elapsed() < Duration::from_secs(10));
        }
    }
}

/// Names, ids and errors are an origin's, and may hold anything: each event is one line of JSON.
#[test]
fn nothing_that_is_shown_breaks_out_of_its_event() {
    let name = "a\r\n\r\nevent: x\ndata: <script>\u{2028}\0";
    let (admin, _relay) = start_with(CONNECTIONS, name);
    let mut viewer = Viewer::open(admin.addr(), "/status/stream");
    assert_eq!(viewer.until("overview")["sources"][0]["name"], name);
}

#[test]
fn a_head_has_no_stream_and_mistakes_are_told() {
    let (admin, relay) = start();
    let head = ask(admin.addr(), "HEAD", "/status/stream");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(looks(&relay), 0);
    for wrong in [
        "/status?client=x",
        "/status?client=",
        "/status?client=1.2.3.4:x",
        "/status?source=",
        "/status?source=a&source=b",
        "/status/stream?source=",
    ] {
        let refused = ask(admin.addr(), "GET", wrong);
        assert_eq!(refused.status, 400, "{wrong}");
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        assert_eq!(refused.json()["status"], 400);
    }
    assert_eq!(ask(admin.addr(), "GET", "/status?source=none").status, 404);
    let one = ask(admin.addr(), "GET", "/status?source=changelog").json();
    assert_eq!(one["sources"][0]["name"], "changelog");
    let clients = ask(admin.addr(), "GET", "/status?client=192.0.2.9").json();
    assert_eq!(clients, serde_json::json!({ "clients": [] }));
}
