//! The systems that the relay is made for, each with an origin that behaves as the real one is
//! described, and with the configuration that is shipped for it under `deploy/examples/`.
#![allow(unreachable_pub, reason = "modules of one test program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod content_store;
mod pdftoolbox;
mod progress;
mod recent_changes;
mod transloadit;

use support::client::{End, TestClient};
use support::relay::TestRelay;

/// Starts the relay with a shipped configuration, with these variables, on ports of its own.
fn relay(example: &str, variables: &[(&str, String)]) -> TestRelay {
    let path = format!("{}/deploy/examples/{example}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let value = |name: &str| {
        let mut variables = variables.iter();
        variables.find_map(|(variable, value)| (*variable == name).then(|| value.clone()))
    };
    let mut config = match fanfare::config::read(&text, example, &value) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => panic!("{mistakes}"),
    };
    config.listen = vec![fanfare::config::Listen::Tcp(([127, 0, 0, 1], 0).into()).into()];
    config.admin = Some(([127, 0, 0, 1], 0).into());
    TestRelay::start(config)
}

/// The data of what is left of a stream, which then ends in order.
async fn rest(client: &mut TestClient) -> Vec<String> {
    assert_eq!(client.end().await, End::LastChunk);
    client.events_so_far().into_iter().map(|event| event.data).collect()
}
