//! Listeners that ask for the PROXY protocol: who a client is, who may say so, and what is no
//! header.

use crate::support::client::{Ask, TestClient, ask, connect, connect_unix, get};
use crate::support::origin::{Conn, TestOrigin, within};
use crate::support::relay::{PATH, Setup, TestRelay};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const LISTEN: &str = "{ address: \"127.0.0.1:0\", proxy_protocol: true }";
const TRUSTED: &str = "trusted_proxies: 127.0.0.0/8";

/// A relay with one such listener, one client for each address, and everything from an origin
/// proxied.
async fn relayed(top: &str) -> (TestOrigin, TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    let pass = format!(
        "pass: [{{ prefix: /origin/, to: \"{}\" }}]",
        origin.url("").trim_end_matches('/')
    );
    let setup = Setup::over(&origin).listen(LISTEN).top(&format!(
        "limits: {{ clients_per_ip: 1, header_timeout: 500ms }}\n{top}\n{pass}"
    ));
    let (relay, conn) = setup.start_with(&origin).await;
    (origin, relay, conn)
}

fn line(source: &str) -> Vec<u8> {
    let source: SocketAddr = source.parse().expect("an address");
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let destination = if source.is_ipv4() { "192.0.2.9" } else { "2001:db8::9" };
    format!("PROXY {family} {} {destination} {} 80\r\n", source.ip(), source.port()).into_bytes()
}

/// Version 2, with TLVs behind the addresses, as HAProxy and cloud balancers write them.
fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let tlvs = [0x04, 0, 3, 0, 0, 0];
    let len = u16::try_from(addresses.len() + tlvs.len()).expect("short");
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend(len.to_be_bytes());
    header.extend(addresses);
    header.extend(tlvs);
    header
}

fn binary_v4(ip: [u8; 4]) -> Vec<u8> {
    binary(0x21, 0x11, &[&ip[..], &[192, 0, 2, 9, 0x30, 0x39, 0, 80]].concat())
}

/// A connection on which these pieces come.
async fn send(relay: &TestRelay, pieces: &[&[u8]]) -> TcpStream {
    let mut io = connect(relay.address, None).await;
    io.set_nodelay(true).unwrap();
    for piece in pieces {
        // A relay that has refused it takes no more.
        if io.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    io
}

async fn ask_behind(relay: &TestRelay, header: &[u8], request: &Ask) -> TestClient {
    let io = send(relay, &[&[header, &request.bytes()].concat()]).await;
    TestClient::over(Box::new(io), request.bytes().starts_with(b"HEAD "))
}

/// Asserts that these bytes are answered by the connection's end, and nothing else.
async fn assert_refused(relay: &TestRelay, bytes: &[u8]) {
    let mut io = send(relay, &[bytes]).await;
    let mut answer = Vec::new();
    match within("the connection's end", io.read_to_end(&mut answer)).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert_eq!(answer, b"", "{}", bytes.escape_ascii());
}

/// Reads a response without a body.
async fn read_head(io: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("a response head", io.read_u8()).await.expect("a head"));
    }
    String::from_utf8(head).expect("text")
}

#[tokio::test]
async fn a_client_is_whom_the_header_names() {
    let (_origin, relay, mut conn) = relayed(TRUSTED).await;
    let mut clients = Vec::new();
    for header in [
        line("192.0.2.1:1000"),
        line("[2001:db8::1]:1000"),
        binary_v4([192, 0, 2, 2]),
    ] {
        let mut client = ask_behind(&relay, &header, &get(PATH)).await;
        assert_eq!(client.read_head().await.status, 200);
        client.opened().await;
        clients.push(client);
    }
    // One for each address: the second of one is refused, whatever its port and the version.
    for header in [line("192.0.2.1:2000"), binary_v4([192, 0, 2, 1])] {
        let refused = ask_behind(&relay, &header, &ask("GET", PATH)).await;
        assert_eq!(refused.answer().await.head.status, 503);
    }
    conn.event("data: to all").await;
    for client in &mut clients {
        assert_eq!(client.next_event().await.data, "to all");
    }
    assert_eq!(relay.metric("fanfare_refused_total{reason=\"clients_per_ip\"}"), 2.0);
}

#[tokio::test]
async fn an_origin_hears_of_the_client_and_of_no_forged_one() {
    let (origin, relay, _conn) = relayed(TRUSTED).await;
    let request = ask("GET", "/origin/x")
        .header("X-Forwarded-For", "203.0.113.7")
        .header("Connection", "close");
    let asking = ask_behind(&relay, &line("192.0.2.1:1000"), &request).await;
    let head = origin.answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(head.header("x-forwarded-for"), Some("192.0.2.1"), "{}", head.text);
    assert_eq!(asking.answer().await.head.status, 200);
    // Where the client is a trusted proxy itself, its word counts.
    let asking = ask_behind(&relay, &line("127.0.0.9:1000"), &request).await;
    let head = origin.answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(
        head.header("x-forwarded-for"),
        Some("203.0.113.7, 127.0.0.9"),
        "{}",
        head.text
    );
    assert_eq!(asking.answer().await.head.status, 200);
}

#[tokio::test]
async fn however_it_is_cut_up_a_header_is_read() {
    let (_origin, relay, _conn) = relayed(TRUSTED).await;
    for (n, header) in [line("192.0.2.1:1000"), binary_v4([192, 0, 2, 2])].iter().enumerate() {
        let whole = [&header[..], &get(PATH).bytes()].concat();
        let pieces: Vec<&[u8]> = whole.chunks(1).collect();
        let mut io = send(&relay, &pieces).await;
        assert!(read_head(&mut io).await.starts_with("HTTP/1.1 200 "), "header {n}");
    }
}

#[tokio::test]
async fn a_connection_has_one_header_however_many_requests() {
    let (origin, relay, _conn) = relayed(TRUSTED).await;
    let request = ask("GET", "/origin/x").bytes();
    let mut io = send(&relay, &[&[line("192.0.2.1:1000"), request.clone()].concat()]).await;
    for _ in 0..3 {
        let head = origin.answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(head.header("x-forwarded-for"), Some("192.0.2.1"));
        assert!(read_head(&mut io).await.starts_with("HTTP/1.1 200 "));
        io.write_all(&request).await.unwrap();
    }
    origin.answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    read_head(&mut io).await;
    // A second header is no request.
    io.write_all(&line("192.0.2.2:1000")).await.unwrap();
    assert!(read_head(&mut io).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_proxy_that_speaks_for_itself_is_served() {
    let (_origin, relay, _conn) = relayed(TRUSTED).await;
    for header in [
        binary(0x20, 0, &[]),
        binary(0x21, 0, &[]),
        b"PROXY UNKNOWN\r\n".to_vec(),
    ] {
        let answer = ask_behind(&relay, &header, &ask("HEAD", PATH).header("Connection", "close")).await;
        assert_eq!(TestClient::answer(answer).await.head.status, 200);
    }
}

#[tokio::test]
async fn what_begins_without_a_header_is_closed_at_once() {
    let (_origin, relay, _conn) = relayed(TRUSTED).await;
    let refusals: [&[u8]; 7] = [
        b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",
        b"PROXY TCP4 192.0.2.1 192.0.2.9 1000\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.9 1000 80\nGET /events HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n\r\nGET /events HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ];
    for (n, bytes) in refusals.iter().enumerate() {
        assert_refused(&relay, bytes).await;
        relay
            .eventually_metric("fanfare_refused_total{reason=\"bad_request\"}", n as f64 + 1.0)
            .await;
    }
    // Half of a header is waited for, as half of a request's head is.
    assert_refused(&relay, b"PROXY TCP4 192").await;
    relay
        .eventually_metric("fanfare_refused_total{reason=\"header_timeout\"}", 1.0)
        .await;
}

#[tokio::test]
async fn whoever_is_not_trusted_is_refused() {
    let (_origin, relay, _conn) = relayed("trusted_proxies: 192.0.2.0/24").await;
    assert_refused(&relay, &[line("192.0.2.1:1000"), get(PATH).bytes()].concat()).await;
    relay
        .eventually_metric("fanfare_refused_total{reason=\"bad_request\"}", 1.0)
        .await;
    assert_eq!(relay.clients(), 0.0);
}

#[tokio::test]
async fn over_a_unix_socket_the_permissions_decide() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let origin = TestOrigin::start().await;
    let listen = format!(
        "[\"127.0.0.1:0\", {{ address: \"unix:{}\", proxy_protocol: true }}]",
        path.display()
    );
    let (relay, _conn) = Setup::over(&origin).listen(&listen).start_with(&origin).await;
    let mut io = connect_unix(&path).await;
    io.write_all(&[&line("192.0.2.1:1000")[..], &get(PATH).bytes()].concat())
        .await
        .unwrap();
    let mut client = TestClient::over(Box::new(io), false);
    assert_eq!(client.read_head().await.status, 200);
    relay.eventually_clients(1).await;
}
