//! The stories of `tests/stories/proxy`, but for what only HTTP/1 has (its framing, upgrades, and
//! connections that are half closed), and for what is measured.

#[path = "../stories/proxy/bodies.rs"]
mod bodies;
#[path = "../stories/proxy/connections.rs"]
mod connections;
#[path = "../stories/proxy/front.rs"]
mod front;
#[path = "../stories/proxy/heads.rs"]
mod heads;
#[path = "../stories/proxy/leaving.rs"]
mod leaving;
#[path = "../stories/proxy/paths.rs"]
mod paths;
#[path = "../stories/proxy/quotas.rs"]
mod quotas;
#[path = "../stories/proxy/rewriting.rs"]
mod rewriting;
#[path = "../stories/proxy/smuggling.rs"]
mod smuggling;
#[path = "../stories/proxy/trouble.rs"]
mod trouble;
