//! nginx in front: with its defaults (HTTP/1.0 towards the relay, buffering on), and with
//! `deploy/proxies/nginx.conf`.

use crate::front::Relay;
use crate::proxy::{Proxy, configured};
use crate::support::ports::free_address;
use crate::tools::program;
use std::net::SocketAddr;
use tokio::process::Command;

/// Everything that nginx wants around a server, in a directory of the story's.
const MAIN: &str = "
pid pid;
error_log stderr notice;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include server.conf;
}
";

/// A server with this configuration.
pub async fn start(address: SocketAddr, server: String) -> Proxy {
    Proxy::start(address, |dir| {
        std::fs::write(dir.join("nginx.conf"), MAIN).unwrap();
        std::fs::write(dir.join("server.conf"), server).unwrap();
        let mut command = Command::new(program("nginx"));
        // One process, so that killing it leaves nobody.
        command
            .args([
                "-g",
                "daemon off; master_process off;",
                "-e",
                "stderr",
                "-c",
                "nginx.conf",
                "-p",
            ])
            .arg(dir);
        command
    })
    .await
}

mod as_it_comes {
    use super::*;

    async fn start(relay: Relay) -> Proxy {
        let address = free_address();
        let Relay { address: to, .. } = relay;
        let server = format!("server {{ listen {address}; location / {{ proxy_pass http://{to}; }} }}");
        super::start(address, server).await
    }

    crate::stories_in_front!(start);
}

mod as_deployed {
    use super::*;

    async fn start(relay: Relay) -> Proxy {
        let address = free_address();
        let server = configured(
            "nginx.conf",
            &[
                ("listen 8080;", &format!("listen {address};")),
                ("server 127.0.0.1:9080;", &format!("server {};", relay.address)),
            ],
        );
        super::start(address, server).await
    }

    crate::stories_in_front!(start);
    crate::stories_of_a_good_configuration!(start);

    #[tokio::test]
    async fn a_cut_is_no_end() {
        crate::front::a_cut_is_no_end(start).await;
    }
}
