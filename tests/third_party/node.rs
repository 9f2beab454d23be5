//! Node's `eventsource`.

use crate::event_source::{self, CONNECTING, CUTTING, wanted};
use crate::foreign::Foreign;
use crate::support::origin::TestOrigin;
use crate::support::relay::Setup;
use crate::tools::{file, installed, program};
use tokio::process::Command;

pub async fn start(wanted: serde_json::Value) -> Foreign {
    installed("tests/clients/node/node_modules/eventsource");
    let mut command = Command::new(program("node"));
    command
        .arg(file("tests/clients/node/eventsource.js"))
        .arg(wanted.to_string());
    Foreign::start(command).await
}

crate::stories_of_an_event_source!(start);

#[tokio::test]
async fn it_outlives_a_relay_that_is_killed() {
    event_source::it_outlives_a_relay_that_is_killed(start, CONNECTING).await;
}

#[tokio::test]
async fn an_id_that_it_writes_in_latin_1_resumes() {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).source(CUTTING).start_with(&origin).await;
    let mut client = start(wanted(relay.address, &["message", "fanfare.gap"])).await;
    conn.event("id: gr\u{fc}n\ndata: 0").await;
    assert_eq!(client.next_event().await.id(), "gr\u{fc}n");
    client.until("error").await;
    conn.event("id: 1\ndata: 1").await;
    client.until_data("1").await;
    let data: Vec<_> = client.events().into_iter().map(|event| event.data).collect();
    assert_eq!(data, ["0", "1"]);
}
