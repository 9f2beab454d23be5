//! The page's buttons: a crowd, and an origin that dies.

use crate::reader::{Answer, Stream, ask, get, post};
use fanfare::demo::{CROWD_PATH, CrowdSetup, Origin, STREAM_PATH};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn press(origin: &Origin, button: &str, field: &str) -> Answer {
    let request = format!("POST /demo/{button} HTTP/1.0\r\nHost: x\r\n{field}Content-Length: 0\r\n\r\n");
    ask(origin.addr(), &request)
}

fn pressed(origin: &Origin, button: &str) {
    let answer = press(origin, button, "fanfare-demo: 1\r\n");
    assert_eq!(answer.status, 200, "{button}: {}", answer.body);
}

/// The crowd as the page sees it, once this holds for it.
fn crowd_when(origin: &Origin, holds: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let status: Value = serde_json::from_str(&get(origin, "/demo/status").body).unwrap();
        let report = &status["crowd"]["report"];
        if !report.is_null() && holds(report) {
            return report.clone();
        }
        assert!(Instant::now() < until, "{status}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Its clients come to the origin itself: there is no relay here.
fn with_crowd(fits: usize) -> Origin {
    let origin = crate::quiet();
    let url = origin.crowd_url();
    let relay = url
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix(CROWD_PATH));
    let setup = CrowdSetup {
        command: vec![env!("CARGO_BIN_EXE_fanfare").into(), "crowd".into()],
        relay: relay.unwrap().parse().unwrap(),
        fits,
    };
    origin.set_crowd(setup, "127.0.0.1:1".parse().unwrap());
    origin
}

#[test]
fn a_crowd_comes_leaves_returns_and_goes_home() {
    // No more than the origin takes: without a relay that is few.
    let origin = with_crowd(10);
    pressed(&origin, "crowd/1000000");
    let report = crowd_when(&origin, |report| {
        report["live"] == 10 && report["counts"]["delivered"].as_u64() > Some(50)
    });
    assert_eq!(report["counts"]["lost"], 0, "{report}");
    // A tenth leaves, and goes on where it was.
    pressed(&origin, "leave/1");
    crowd_when(&origin, |report| report["live"] == 9);
    let report = crowd_when(&origin, |report| report["live"] == 10 && report["returned"] == 1);
    let delivered = report["counts"]["delivered"].as_u64();
    let report = crowd_when(&origin, |report| {
        report["counts"]["delivered"].as_u64() > delivered.map(|n| n + 30)
    });
    for wrong in ["lost", "doubled", "disordered", "gaps"] {
        assert_eq!(report["counts"][wrong], 0, "{report}");
    }
    pressed(&origin, "slow/2");
    crowd_when(&origin, |report| report["stalled"] == 2 && report["live"] == 10);
    // The origin dies: whoever reads sees it, and asks again until it is back.
    pressed(&origin, "kill");
    crowd_when(&origin, |report| report["live"] == 0 && report["stalled"] == 0);
    pressed(&origin, "revive");
    let report = crowd_when(&origin, |report| report["live"] == 10);
    assert_eq!(report["counts"]["lost"], 0, "{report}");
    pressed(&origin, "crowd/0");
    crowd_when(&origin, |report| report["live"] == 0);
}

#[test]
fn buttons_are_pressed_by_the_page_only() {
    let origin = with_crowd(10);
    for button in ["crowd/5", "kill"] {
        assert_eq!(press(&origin, button, "").status, 403);
        assert_eq!(get(&origin, &format!("/demo/{button}")).status, 405);
    }
    assert_eq!(press(&origin, "burn", "fanfare-demo: 1\r\n").status, 404);
    assert_eq!(get(&origin, "/changelog/section/22").status, 200, "it lives");
    // Without a relay there is nothing for a crowd to come to.
    let alone = crate::quiet();
    assert_eq!(press(&alone, "crowd/5", "fanfare-demo: 1\r\n").status, 503);
    let status: Value = serde_json::from_str(&get(&alone, "/demo/status").body).unwrap();
    assert!(status["crowd"].is_null(), "{status}");
}

#[test]
fn a_dead_origin_answers_nothing_but_its_page() {
    let origin = crate::quiet();
    let mut stream = Stream::open(&origin, "");
    pressed(&origin, "kill");
    stream.ends();
    for path in [STREAM_PATH, CROWD_PATH, "/changelog/section/22"] {
        assert_eq!(get(&origin, path).status, 503, "{path}");
    }
    assert_eq!(post(&origin, 22, "x").status, 503);
    assert_eq!(get(&origin, "/").status, 200);
    pressed(&origin, "revive");
    let mut stream = Stream::open(&origin, "");
    assert_eq!(post(&origin, 22, "x").status, 201);
    assert_eq!(stream.event().0, "1");
}
