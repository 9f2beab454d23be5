//! The demo's page in a browser: what it tells people to try, done.

use crate::foreign::Foreign;
use crate::support::relay::TestRelay;
use crate::tools::{file, installed, program};
use fanfare::config::{Config, Cors, parse_listen};
use fanfare::demo::{Origin, STREAM_PATH};
use serde_json::json;
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

#[tokio::test]
async fn what_is_published_while_disconnected_arrives_first_even_before_the_first_event() {
    // It publishes nothing by itself: what the page is told to publish is the first event.
    let origin = Origin::start_with(TcpListener::bind("127.0.0.1:0").unwrap(), None).unwrap();
    let mut config = Config::for_upstream(&origin.stream_url(), STREAM_PATH).unwrap();
    config.listen = vec![parse_listen("127.0.0.1:0").unwrap().into()];
    config.admin = Some("127.0.0.1:0".parse().unwrap());
    for source in &mut config.sources {
        Arc::make_mut(source).cors = Some(Cors::any_origin());
    }
    let relay = TestRelay::start(config);
    relay.upstream_connected().await;
    origin.set_relayed_stream(format!("http://{}{STREAM_PATH}", relay.address));
    let wanted = json!({
        "browser": crate::chromium::browser(),
        "page": format!("http://{}/", origin.addr()),
        "titles": ["first", "second"],
    });
    let mut command = Command::new(program("node"));
    command.arg(file("tests/clients/node/demo.js")).arg(wanted.to_string());
    let mut page = Foreign::start(command).await;
    // Newest first, as the page shows them.
    assert_eq!(page.until("shown").await["titles"], json!(["first"]));
    assert_eq!(page.until("shown").await["titles"], json!(["second", "first"]));
    assert_eq!(page.count("gap"), 0);
}

/// Open files of the demo's processes: few, so that its crowd is small, and says so.
const DESCRIPTORS: usize = 700;

/// The demo as it is run, and the page's address.
async fn demo() -> (Child, String) {
    let anywhere = "--listen 127.0.0.1:0 --admin 127.0.0.1:0 --page 127.0.0.1:0";
    let script = format!(
        "ulimit -n {DESCRIPTORS}; exec {} demo {anywhere}",
        env!("CARGO_BIN_EXE_fanfare")
    );
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).stdout(Stdio::piped()).kill_on_drop(true);
    let mut demo = command.spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, page)) = line.split_once("Open in a browser") {
            return (demo, page.trim().to_owned());
        }
    }
    panic!("it does not say where the page is");
}

#[tokio::test]
async fn a_crowd_is_one_click_away_and_what_goes_wrong_is_seen() {
    installed("tests/clients/node/node_modules/axe-core");
    let (_demo, page) = demo().await;
    let wanted = json!({"browser": crate::chromium::browser(), "page": page, "pictures": null});
    let mut command = Command::new(program("node"));
    command.arg(file("tests/clients/node/crowd.js")).arg(wanted.to_string());
    let mut page = Foreign::start(command).await;
    // Neither 1,000 nor 10,000 fit: what does is offered.
    assert_eq!(page.until("offers").await["clients"], json!([400, 0]));
    for (after, origin) in [
        ("crowd", "Kill the origin"),
        ("killed", "Bring the origin back"),
        ("revived", "Kill the origin"),
        ("slow", "Kill the origin"),
        ("left", "Kill the origin"),
    ] {
        let shown = page.until("shown").await;
        assert_eq!(
            (&shown["after"], &shown["origin"]),
            (&json!(after), &json!(origin)),
            "{shown}"
        );
        assert_eq!((&shown["live"], &shown["lost"]), (&json!(400), &json!(0)), "{shown}");
        assert!(
            !shown["story"].to_string().contains("gap event"),
            "each was back in time: {shown}"
        );
    }
    for _ in ["light", "dark"].repeat(2) {
        let judged = page.until("judged").await;
        // "wider": what makes the page scroll to the side.
        for found in ["violations", "errors", "foreign", "wider"] {
            assert_eq!(judged[found], json!([]), "{found} {judged:#}");
        }
    }
}
