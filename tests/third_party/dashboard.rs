//! The admin's dashboard in a browser: what axe-core finds in it, what the keyboard reaches, and that
//! it shows what happens.

use crate::chromium::browser;
use crate::foreign::Foreign;
use crate::nats::{Nats, Version};
use crate::support::client::get;
use crate::support::origin::{PATIENCE, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::tools::{file, installed, program};
use fanfare::metrics::EvictReason;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

/// What an origin could try to have shown as markup.
const HOSTILE: &str = "<img src=x onerror=document.title='taken'>";

/// The page of this relay.
async fn page(relay: &TestRelay) -> Foreign {
    installed("tests/clients/node/node_modules/axe-core");
    let wanted = json!({
        "browser": browser(),
        "page": format!("http://{}/", relay.admin),
        "source": "s",
        "pictures": null,
    });
    let mut command = Command::new(program("node"));
    command
        .arg(file("tests/clients/node/dashboard.js"))
        .arg(wanted.to_string());
    Foreign::start(command).await
}

/// Until the first screen shows this.
async fn shows(page: &mut Foreign, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let wanted = async {
        loop {
            let shown = page.until("shows").await;
            assert_eq!(shown["errors"], json!([]), "{shown}");
            if is_it(&shown) {
                return shown;
            }
        }
    };
    timeout(PATIENCE, wanted)
        .await
        .unwrap_or_else(|_| panic!("it never shows {what}"))
}

fn holds(text: &Value, part: &str) -> bool {
    text.as_str().is_some_and(|text| text.contains(part))
}

/// For the light and the dark, for a desk and a phone, and by the keyboard alone.
async fn is_readable(page: &mut Foreign) {
    for width in ["desk", "phone"].repeat(2) {
        for _ in ["overview", "source"] {
            let judged = page.until("judged").await;
            assert!(holds(&judged["as"], width), "{judged}");
            for found in ["violations", "errors", "foreign"] {
                assert_eq!(judged[found], json!([]), "{found} {judged:#}");
            }
            assert_eq!(
                judged["wider"], false,
                "{judged}: the page itself never scrolls to the side"
            );
        }
    }
    let keys = page.until("keys").await;
    let reached = json!({"kind": "keys", "skipped": "main", "rows": 1, "sorted": "Clients ▼", "source": "s"});
    assert_eq!(keys, reached);
}

#[tokio::test]
async fn every_kind_of_viewer_can_read_it_and_it_shows_what_happens() {
    let origin = TestOrigin::start().await;
    let others: String = (0..40)
        .map(|n| {
            format!(
                "idle-{n}: {{ path: \"/idle/{n}/{{job}}\", upstream: \"{}\" }}\n  ",
                origin.url("/{job}")
            )
        })
        .collect();
    let setup = Setup::over(&origin).source("ids: pass").beside(&others);
    let relay = setup.start();
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event(&format!("id: {HOSTILE}\ndata: {HOSTILE}")).await;
    relay.received(1).await;

    let mut page = page(&relay).await;
    is_readable(&mut page).await;

    let shown = shows(&mut page, "that all is well", |shown| shown["level"] == "good").await;
    assert!(holds(&shown["verdict"], "All is well."), "{shown}");
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(relay.open(&get(PATH)).await);
    }
    shows(&mut page, "the clients", |shown| {
        holds(&shown["figures"]["Clients"], "3 of ") && shown["row"][2] == "3"
    })
    .await;
    for n in 0..20 {
        conn.event(&format!("id: {n}\ndata: {n}")).await;
    }
    shows(&mut page, "deliveries", |shown| {
        let rate = |cell: &Value| cell.as_str().and_then(|cell| cell.parse().ok()).unwrap_or(0.0_f64);
        rate(&shown["row"][3]) >= 2.0 * rate(&shown["row"][4]) && rate(&shown["row"][4]) > 0.0
    })
    .await;

    // A hundred and fifty evictions are not nothing.
    let metrics = relay.relay.status_provider().metrics();
    metrics.source("s").evictions[EvictReason::Stall.index()].increment(150);
    shows(&mut page, "evictions", |shown| {
        holds(&shown["evictions"], "stall") && holds(&shown["evictions"], "150") && shown["row"][6] == "150"
    })
    .await;
    shows(&mut page, "that evictions are worth a look", |shown| {
        shown["level"] == "wait" && holds(&shown["verdict"], "150 clients evicted")
    })
    .await;
    let mistake = format!("fanfare.yaml:3:8: sources.{HOSTILE}: unknown key");
    relay.relay.reloader().reject(vec![mistake.clone()]);
    let shown = shows(&mut page, "the rejected file", |shown| {
        holds(&shown["reload"], &mistake)
    })
    .await;
    assert!(holds(&shown["verdict"], "rejected"), "{shown}");
    drop((conn, origin));
    let shown = shows(&mut page, "that it is not ready", |shown| shown["level"] == "bad").await;
    assert!(holds(&shown["verdict"], "s, 127.0.0.1:"), "{shown}");
    assert_eq!(shown["scripts"], 1);

    // The relay is gone: the page says that it is old.
    drop(relay);
    shows(&mut page, "that it is old", |shown| holds(&shown["trouble"], "old")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leads_a_shared_log_is_shown_and_that_the_engine_is_away() {
    let mut nats = Nats::start(Version::V2_15, 1).await;
    let origin = TestOrigin::start().await;
    let fleet = format!("fleet: {{ nats: [{}], instance: a, replicas: 1 }}", nats.urls());
    let relay = Setup::over(&origin).top(&fleet).source("fleet: true").start();
    let mut conn = origin.accept().await;
    conn.stream_head().await;

    let mut page = page(&relay).await;
    is_readable(&mut page).await;
    let fact = |shown: &Value, name: &str, part: &str| holds(&shown["facts"][name], part);
    shows(&mut page, "the leader", |shown| {
        fact(shown, "Leader", "a term ") && fact(shown, "Not in the log", "0 events")
    })
    .await;
    let shown = shows(&mut page, "that all is well", |shown| shown["level"] == "good").await;
    assert!(holds(&shown["log"], "this instance leads"), "{shown}");

    nats.kill(0);
    conn.event("data: 1").await;
    shows(&mut page, "what waits for the engine", |shown| {
        fact(shown, "Not in the log", "1 event")
    })
    .await;
    let shown = shows(&mut page, "that the engine is away", |shown| {
        shown["level"] == "bad" && holds(&shown["log"], "out of reach")
    })
    .await;
    assert!(holds(&shown["verdict"], "the shared log"), "{shown}");
}
