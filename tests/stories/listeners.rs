//! Where clients connect: several listeners at one time, TCP and Unix.

use crate::support::client::{Ask, End, TestClient, ask, connect_unix, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup, TestRelay};
use fanfare::relay::Relay;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder, and the path of a socket in it.
fn socket() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    (dir, path)
}

async fn relayed(listen: &str, setup: impl FnOnce(Setup) -> Setup) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    let setup = setup(Setup::over(&origin)).listen(listen);
    setup.start_with(&origin).await
}

fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

/// A client that has seen its stream's beginning.
async fn client(path: &Path, request: &Ask) -> TestClient {
    let mut client = TestClient::new(Box::new(connect_unix(path).await), request).await;
    assert_eq!(
        client.read_head().await.header("content-type"),
        Some("text/event-stream")
    );
    client.opened().await;
    client
}

#[tokio::test]
async fn two_ports_and_a_unix_socket_serve_the_same_stream() {
    let (_dir, path) = socket();
    let listen = format!("[\"127.0.0.1:0\", \"{}\", \"127.0.0.1:0\"]", unix(&path));
    let (relay, mut conn) = relayed(&listen, |setup| setup).await;
    let addresses = relay.relay.addresses().to_vec();
    assert_eq!(addresses[1], None, "a path is no address");
    let mut clients = vec![
        client(&path, &get(PATH)).await,
        client(&path, &get(PATH).http10()).await,
    ];
    for address in addresses.into_iter().flatten() {
        let mut client = get(PATH).open(address).await;
        client.opened().await;
        clients.push(client);
    }
    assert_eq!(clients.len(), 4);
    relay.eventually_clients(4).await;
    for n in 0..100 {
        conn.event(&format!("data: {n}")).await;
    }
    for client in &mut clients {
        for n in 0..100 {
            assert_eq!(client.next_event().await.data, n.to_string());
        }
    }
    // Who was on one resumes on another.
    let mut back = client(&path, &get(PATH).last_event_id(&clients[3].last_event_id)).await;
    conn.event("data: more").await;
    assert_eq!(back.next_event().await.data, "more");
}

#[tokio::test]
async fn over_a_unix_socket_everything_is_as_over_tcp() {
    let (_dir, path) = socket();
    let listen = format!("[\"127.0.0.1:0\", \"{}\"]", unix(&path));
    let setup = |setup: Setup| setup.source("heartbeat: { every: 100ms }\nslow_client: { bytes: 256KiB }");
    let (relay, mut conn) = relayed(&listen, setup).await;
    let mut heartbeats = client(&path, &get(PATH)).await;
    for _ in 0..2 {
        assert_eq!(heartbeats.next_comment().await, ":");
    }
    // Another request than for a stream.
    let closing = ask("GET", "/elsewhere").header("Connection", "close");
    let mut lost = TestClient::new(Box::new(connect_unix(&path).await), &closing).await;
    assert_eq!(lost.read_head().await.status, 404);
    assert_eq!(lost.end().await, End::LastChunk);
    // One that never reads is evicted, and nobody waits for it.
    let mut stalled = client(&path, &get(PATH)).await;
    let mut good = client(&path, &get(PATH)).await;
    let evicted = r#"fanfare_evictions_total{source="s",reason="bytes"}"#;
    let mut n = 0;
    while relay.metric(evicted) < 1.0 {
        conn.event(&format!("event: {n}\ndata: {}", "x".repeat(16 * 1024)))
            .await;
        for reader in [&mut good, &mut heartbeats] {
            assert_eq!(reader.next_event().await.event_type, n.to_string());
        }
        n += 1;
        assert!(n < 5_000, "nothing happens");
    }
    let end = stalled.end().await;
    let got = stalled.events_so_far().len();
    assert!(got < n, "{end:?} after {got} events");
    let mut back = client(&path, &get(PATH).last_event_id(&stalled.last_event_id)).await;
    assert_eq!(back.next_event().await.event_type, got.to_string());
    relay.eventually_clients(3).await;
}

#[tokio::test]
async fn who_comes_over_a_unix_socket_has_no_address_to_count() {
    let (_dir, path) = socket();
    let listen = format!("[\"127.0.0.1:0\", \"{}\"]", unix(&path));
    let (relay, _conn) = relayed(&listen, |setup| setup.top("limits: { clients_per_ip: 1 }")).await;
    let _inside = relay.client().await;
    let _proxied = [client(&path, &get(PATH)).await, client(&path, &get(PATH)).await];
    relay.eventually_clients(3).await;
}

#[tokio::test]
async fn a_socket_file_that_was_left_behind_is_replaced_and_goes_with_the_process() {
    let (_dir, path) = socket();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "what a process leaves that was killed");
    let origin = TestOrigin::start().await;
    let listen = format!("[\"127.0.0.1:0\", \"{}\"]", unix(&path));
    let setup = Setup::over(&origin).listen(&listen).top("drain: { spread: 0s }");
    let mut process = TestProcess::start(&setup).await;
    let mut client = client(&path, &get(PATH)).await;
    process.terminate();
    assert_eq!(client.end().await, End::LastChunk, "drained like everybody");
    assert_eq!(client.retries.len(), 2);
    assert_eq!(process.exit().await.code(), Some(0));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_that_somebody_answers_on_is_theirs() {
    let (_dir, path) = socket();
    let theirs = UnixListener::bind(&path).unwrap();
    let origin = TestOrigin::start().await;
    let config = Setup::over(&origin).listen(&unix(&path)).config();
    let error = Relay::start(config).err().expect("it is in use").to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    // And is still there.
    drop(theirs.accept().unwrap());
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let (_dir, path) = socket();
    std::fs::write(&path, "precious").unwrap();
    let origin = TestOrigin::start().await;
    let config = Setup::over(&origin).listen(&unix(&path)).config();
    let error = Relay::start(config).err().expect("it is in use").to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}
