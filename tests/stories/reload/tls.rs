//! A listener with TLS that comes by a reload, changes, and goes.

use crate::support::client::{TestClient, get};
use crate::support::origin::TestOrigin;
use crate::support::ports::free_address;
use crate::support::relay::{PATH, Setup, eventually};
use crate::support::tls::{Authority, Dial, NAME, VERSIONS};
use rustls::version;
use std::net::{SocketAddr, TcpStream};

async fn open(dial: &Dial, address: SocketAddr) -> TestClient {
    let mut client = TestClient::new(Box::new(dial.connect(address).await), &get(PATH)).await;
    assert_eq!(client.read_head().await.status, 200);
    client.opened().await;
    client
}

/// Whether a client is let in, which is clear over TLS 1.3 only once it is answered.
async fn is_let_in(dial: &Dial, address: SocketAddr) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = dial.try_connect(address).await else {
        return false;
    };
    let asked = stream.write_all(&get(PATH).bytes()).await;
    asked.is_ok() && matches!(stream.read(&mut [0; 512]).await, Ok(1..))
}

#[tokio::test]
async fn a_listener_with_tls_comes_changes_and_goes_and_its_clients_stay() {
    let authority = Authority::new();
    let ca = authority.ca();
    for file in ["one", "two", "client"] {
        authority.issue(file, &[NAME, "127.0.0.1"]);
    }
    let origin = TestOrigin::start().await;
    let (clear, secured) = (free_address(), free_address());
    let setup = |tls: Option<String>| {
        let listener = tls.map(|tls| format!(", {{ address: \"{secured}\", tls: {tls} }}"));
        Setup::over(&origin).listen(&format!("[ \"{clear}\"{} ]", listener.unwrap_or_default()))
    };
    let (relay, mut conn) = setup(None).start_with(&origin).await;
    let any = authority.client(NAME, VERSIONS, None);
    let old = authority.client(NAME, &[&version::TLS12], None);
    let known = authority.client(NAME, VERSIONS, Some("client"));
    let shown = async |dial: &Dial| {
        let stream = dial.connect(secured).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };

    let said = relay.reload(&setup(Some(authority.tls("one", ""))));
    assert_eq!(said, [format!("listener {secured}: added")]);
    let mut clients = vec![open(&any, secured).await, open(&old, secured).await];
    let first = shown(&any).await;

    let changed = [format!("listener {secured}: changed")];
    assert_eq!(relay.reload(&setup(Some(authority.tls("two", "")))), changed);
    assert_ne!(shown(&any).await, first, "another certificate");
    clients.push(open(&old, secured).await);

    assert_eq!(
        relay.reload(&setup(Some(authority.tls("two", "min_version: 1.3")))),
        changed
    );
    assert!(!is_let_in(&old, secured).await);
    clients.push(open(&any, secured).await);

    let clients_only = format!("min_version: 1.3, client_ca: {}", ca.display());
    assert_eq!(relay.reload(&setup(Some(authority.tls("two", &clients_only)))), changed);
    assert!(!is_let_in(&any, secured).await);
    clients.push(open(&known, secured).await);

    // A certificate that is none changes nothing.
    std::fs::write(authority.path("broken.pem"), "nothing").unwrap();
    std::fs::write(authority.path("broken.key"), "nothing").unwrap();
    let broken = setup(Some(authority.tls("broken", ""))).yaml();
    assert!(fanfare::config::read(&broken, "story.yaml", &|_| None).is_err());
    clients.push(open(&known, secured).await);

    assert_eq!(relay.reload(&setup(None)), [format!("listener {secured}: removed")]);
    eventually("the port to be closed", || TcpStream::connect(secured).is_err()).await;
    conn.event("data: x").await;
    for client in &mut clients {
        assert_eq!(client.next_event().await.data, "x");
    }
}
