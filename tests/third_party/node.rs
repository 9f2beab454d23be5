//! Node's `eventsource`.

use crate::foreign::Foreign;
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
