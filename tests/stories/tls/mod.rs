//! TLS between clients and the relay: handshakes, certificates, and ends that are said.

mod certificates;
mod handshakes;
mod hostile;
mod http2;
mod streams;

use crate::support::client::{Ask, TestClient};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{Setup, TestRelay};
use crate::support::tls::{Authority, Dial, NAME, VERSIONS};
use std::net::SocketAddr;

/// A relay that speaks TLS, with an authority of its own.
struct Secured {
    authority: Authority,
    relay: TestRelay,
    _origin: TestOrigin,
    conn: Conn,
}

/// With these keys beside the certificate, and these lines at the top of the file.
async fn secured_with(keys: &str, top: &str) -> Secured {
    let authority = Authority::new();
    authority.issue("relay", &[NAME, "127.0.0.1"]);
    authority.ca();
    let keys = keys.replace("CA", &authority.path("ca.pem").display().to_string());
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).listen(&listen(&authority, &keys)).top(top);
    let (relay, conn) = setup.source("ids: pass").start_with(&origin).await;
    Secured {
        authority,
        relay,
        _origin: origin,
        conn,
    }
}

fn listen(authority: &Authority, keys: &str) -> String {
    format!("{{ address: '127.0.0.1:0', tls: {} }}", authority.tls("relay", keys))
}

async fn secured() -> Secured {
    secured_with("", "").await
}

impl Secured {
    /// A client that believes the authority.
    fn client(&self) -> Dial {
        self.authority.client(NAME, VERSIONS, None)
    }

    async fn handshakes(&self, outcome: &str, wanted: usize) {
        let series = format!("fanfare_tls_handshakes_total{{outcome=\"{outcome}\"}}");
        self.relay.eventually_metric(&series, wanted as f64).await;
    }
}

/// A client that asks over a new connection, and has seen its stream's beginning.
async fn open(dial: &Dial, address: SocketAddr, request: &Ask) -> TestClient {
    let mut client = TestClient::new(Box::new(dial.connect(address).await), request).await;
    assert_eq!(client.read_head().await.status, 200);
    client.opened().await;
    client
}
