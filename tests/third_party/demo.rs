//! The demo's page in a browser: what it tells people to try, done.

use crate::foreign::Foreign;
use crate::support::relay::TestRelay;
use crate::tools::{file, program};
use fanfare::config::{Config, Cors, parse_listen};
use fanfare::demo::{Origin, STREAM_PATH};
use serde_json::json;
use std::net::TcpListener;
use std::sync::Arc;
use tokio::process::Command;

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
