//! A user with thirty tabs, each of which has a stream, and the rest of the site on the same host.
//!
//! Over HTTP/2 all of them share a connection, and the site loads meanwhile. Over HTTP/1.1 six
//! streams take all connections that a browser opens to a host, and the site waits: why the README
//! tells to serve browsers over HTTP/2.

use crate::chromium::browser;
use crate::foreign::Foreign;
use crate::pages::Pages;
use crate::stream::publish;
use crate::support::origin::{Conn, PATIENCE, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::support::tls::Authority;
use crate::tools::{file, installed, program};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::process::Command;

/// Streams of one page, as if each were a tab's: what counts is the host, not the tab.
const TABS: usize = 30;
/// What the site's pages consist of.
const RESOURCES: usize = 12;
/// Connections that browsers open to a host for HTTP/1.1.
const CONNECTIONS: usize = 6;
/// How long a request has to wait to be called stuck. One that isn't takes milliseconds.
const STUCK: Duration = Duration::from_secs(1);

/// A relay with one source, which passes everything else to a site. Browsers speak HTTP/2 with it
/// if it has TLS.
async fn relay(tls: Option<&Authority>) -> (TestRelay, Conn, Pages) {
    let (origin, site) = (TestOrigin::start().await, Pages::start().await);
    let pass = format!("pass: [{{ prefix: /, to: \"{}\" }}]", site.origin);
    let mut setup = Setup::over(&origin).top(&pass).source("ids: pass\nstart: latest");
    if let Some(authority) = tls {
        authority.issue("site", &["localhost"]);
        let tls = authority.tls("site", "");
        setup = setup.listen(&format!("{{ address: \"127.0.0.1:0\", tls: {tls} }}"));
    }
    let (relay, conn) = setup.start_with(&origin).await;
    (relay, conn, site)
}

/// A page of the site in a browser, which opens the streams and then loads resources.
async fn page(mut wanted: Value, site: &str, tabs: usize, stuck: Duration) -> Foreign {
    installed("tests/clients/node/node_modules/playwright-core");
    let resources: Vec<String> = (0..RESOURCES).map(|n| format!("{site}/part/{n}")).collect();
    let more = json!({
        "page": format!("{site}/"),
        "stream": format!("{site}{PATH}"),
        "count": tabs,
        "open": tabs,
        "resources": resources,
        "stuck": stuck.as_millis() as u64,
        "patience": PATIENCE.as_millis() as u64,
    });
    let all = wanted.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    let mut command = Command::new(program("node"));
    command.arg(file("tests/clients/node/tabs.js")).arg(wanted.to_string());
    Foreign::start(command).await
}

/// Thirty streams are open, events come on each of them, and the site loads.
async fn streams_and_site_share_a_connection(mut wanted: Value) {
    let authority = Authority::new();
    let (relay, mut conn, _site) = relay(Some(&authority)).await;
    wanted["last"] = json!("9");
    let site = format!("https://localhost:{}", relay.address.port());
    let mut page = page(wanted, &site, TABS, PATIENCE).await;
    page.opened().await;
    let over_http2 = r#"fanfare_clients{source="s",protocol="http/2"}"#;
    relay.eventually_metric(over_http2, TABS as f64).await;
    publish(&mut conn, 0..10).await;
    let loaded = page.until("loaded").await;
    assert_eq!(
        loaded["resources"],
        json!(vec![json!({ "status": 200, "protocol": "h2" }); RESOURCES])
    );
    let heard = page.until("heard").await;
    let each: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    assert_eq!(heard["tabs"], json!(vec![each; TABS]));
}

#[tokio::test]
async fn thirty_streams_and_the_site_share_a_connection_in_chromium() {
    streams_and_site_share_a_connection(json!({ "chromium": browser() })).await;
}

#[tokio::test]
async fn thirty_streams_and_the_site_share_a_connection_in_firefox() {
    streams_and_site_share_a_connection(json!({ "firefox": program("firefox-esr") })).await;
}

#[tokio::test]
async fn six_streams_take_all_connections_over_http1() {
    let (relay, _conn, _site) = relay(None).await;
    let site = format!("http://{}", relay.address);
    let mut page = page(json!({ "chromium": browser() }), &site, CONNECTIONS, STUCK).await;
    page.opened().await;
    let stuck = page.until("loaded").await;
    assert_eq!(stuck["resources"], json!(vec![Value::Null; RESOURCES]));
    // One of them is closed: the site has its connection.
    let loaded = page.until("reloaded").await;
    assert_eq!(
        loaded["resources"],
        json!(vec![json!({ "status": 200, "protocol": "http/1.1" }); RESOURCES])
    );
}
