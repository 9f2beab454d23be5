//! Caddy in front, with `deploy/proxies/Caddyfile`.

use crate::front::Relay;
use crate::proxy::{Proxy, configured};
use crate::support::ports::free_address;
use crate::tools::program;
use tokio::process::Command;

crate::stories_in_front!(start);
crate::stories_of_a_good_configuration!(start);

async fn start(relay: Relay) -> Proxy {
    let address = free_address();
    let site = configured(
        "Caddyfile",
        &[
            (":8080 {", &format!(":{} {{\n\tbind {}", address.port(), address.ip())),
            (
                "reverse_proxy 127.0.0.1:9080",
                &format!("reverse_proxy {}", relay.address),
            ),
        ],
    );
    Proxy::start(address, |dir| {
        std::fs::write(dir.join("site"), site).unwrap();
        // No admin port: it is always the same one.
        std::fs::write(dir.join("Caddyfile"), "{\n\tadmin off\n}\nimport site\n").unwrap();
        let mut command = Command::new(program("caddy"));
        command
            .args(["run", "--adapter", "caddyfile", "--config", "Caddyfile"])
            .envs(["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"].map(|name| (name, dir)));
        command
    })
    .await
}
