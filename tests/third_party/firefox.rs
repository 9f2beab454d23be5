//! Firefox's EventSource, in a page of another origin.

use crate::event_source::{self, CLOSED};
use crate::foreign::Foreign;
use crate::pages::Pages;
use crate::tools::{file, program};
use serde_json::json;
use tokio::process::Command;

crate::stories_of_an_event_source!(start);

/// A connection that is refused is the end to it: the page has to open another EventSource.
#[tokio::test]
async fn a_page_that_opens_another_one_outlives_a_relay_that_is_killed() {
    event_source::it_outlives_a_relay_that_is_killed(start, CLOSED).await;
}

/// Each story has a browser of its own: Firefox has no contexts that a script could open.
async fn start(mut wanted: serde_json::Value) -> Foreign {
    wanted["firefox"] = json!(program("firefox-esr"));
    let pages = Pages::start().await;
    wanted["page"] = json!(format!("{}/", pages.origin));
    let mut command = Command::new(program("node"));
    command
        .arg(file("tests/clients/node/firefox.js"))
        .arg(wanted.to_string());
    Foreign::start(command).await
}
