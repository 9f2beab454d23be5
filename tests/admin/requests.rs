//! Requests are read as strictly as those of clients, and answered as well.

use super::start;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

const PATHS: [&str; 8] = [
    "/",
    "/livez",
    "/readyz",
    "/metrics",
    "/status",
    "/ping",
    "/healthcheck",
    "/none",
];

/// What comes back of these bytes, up to the end; `ends`: nothing more is sent.
fn answer(addr: SocketAddr, bytes: &str, ends: bool) -> String {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(bytes.as_bytes()).unwrap();
    if ends {
        socket.shutdown(Shutdown::Write).unwrap();
    }
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}

fn status(answer: &str) -> &str {
    answer
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

#[test]
fn a_client_that_has_said_everything_gets_its_answer() {
    let (admin, _relay) = start();
    for path in PATHS {
        let wanted = if path == "/none" { "404" } else { "200" };
        for method in ["GET", "HEAD"] {
            let whole = answer(
                admin.addr(),
                &format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"),
                true,
            );
            assert_eq!(status(&whole), wanted, "{method} {path}");
            assert!(whole.contains("\r\n\r\n"), "{whole}");
            assert_eq!(
                whole.ends_with("\r\n\r\n"),
                method == "HEAD",
                "{method} {path}: {whole}"
            );
        }
    }
}

#[test]
fn a_request_names_one_host() {
    let (admin, _relay) = start();
    for path in PATHS {
        for fields in [
            "",
            "Host: a\r\nHost: a\r\n",
            "Host: a b\r\n",
            "Host: a/b@c\r\n",
            "Host:\r\n",
        ] {
            let refused = answer(admin.addr(), &format!("GET {path} HTTP/1.1\r\n{fields}\r\n"), false);
            assert_eq!(status(&refused), "400", "{path} {fields:?}");
            assert!(refused.contains("application/problem+json"), "{refused}");
        }
    }
    for request in [
        "GET /ping HTTP/1.0\r\n\r\n",
        "GET /ping HTTP/1.2\r\nHost: a_b\r\nConnection: close\r\n\r\n",
    ] {
        assert!(answer(admin.addr(), request, false).ends_with("pong"), "{request}");
    }
}

#[test]
fn versions_and_methods_that_are_not_served_are_said_so() {
    let (admin, _relay) = start();
    for (request, wanted) in [
        ("GET / HTTP/2.0\r\n\r\n", "505"),
        ("GET / HTTP/3.0\r\n\r\n", "505"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
        ("\x16\x03\x01\x02\x00\x01", "400"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "204"),
        ("TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "405"),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "404"),
        (
            "GET /ping HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "400",
        ),
    ] {
        let said = answer(admin.addr(), request, false);
        assert_eq!(status(&said), wanted, "{request:?}");
    }
}

/// One after the other, as they stand on the connection.
#[test]
fn requests_that_come_together_are_answered_in_order() {
    let (admin, _relay) = start();
    let together = "GET /ping HTTP/1.1\r\nHost: a\r\n\r\nPOST /status HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
                    GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let text = answer(admin.addr(), together, false);
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
    assert_eq!(statuses, ["200", "405", "200"], "{text}");
}
