//! A process that has run out of file descriptors: the admin listener waits, and goes on when there
//! are some again.
//!
//! In a file, and so a process, of its own: the limit is the process's, and other tests need
//! descriptors.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use fanfare::admin::Admin;
use fanfare::config::Listen;
use fanfare::metrics::Metrics;
use fanfare::net::bind;
use fanfare::status::{ClientDetails, Readiness, Sample, Status, StatusProvider, WantedClient};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

struct Relay(Arc<Metrics>);

impl StatusProvider for Relay {
    fn status(&self) -> Pin<Box<dyn Future<Output = Status> + Send + '_>> {
        Box::pin(std::future::pending())
    }
    fn readiness(&self) -> Readiness {
        Readiness::default()
    }
    fn clients_at(&self, _: WantedClient) -> Pin<Box<dyn Future<Output = Vec<ClientDetails>> + Send + '_>> {
        Box::pin(std::future::ready(Vec::new()))
    }
    fn sample(&self) -> Sample {
        Sample::default()
    }
    fn metrics(&self) -> &Metrics {
        &self.0
    }
}

#[test]
fn the_listener_outlives_a_lack_of_descriptors() {
    let listener = bind(&Listen::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
    let admin = Admin::start(listener, Arc::new(Relay(Metrics::new())), 64, Arc::default()).unwrap();
    // Fill every descriptor but the one that the client itself needs.
    let before = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(128),
            maximum: before.maximum,
        },
    )
    .unwrap();
    let mut held: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    held.pop();
    let mut waiting = asking(&admin);
    assert!(
        File::open("/dev/null").is_err(),
        "the client has taken the last descriptor"
    );
    assert_eq!(
        answer_within(&mut waiting, Duration::from_millis(600)),
        None,
        "accepted without a descriptor"
    );

    drop(held);
    assert!(
        answer_within(&mut waiting, Duration::from_secs(10))
            .unwrap()
            .contains("200 OK")
    );
}

/// A client that has sent its request.
fn asking(admin: &Admin) -> TcpStream {
    let mut socket = TcpStream::connect(admin.addr()).unwrap();
    write!(socket, "GET /ping HTTP/1.0\r\n\r\n").unwrap();
    socket
}

/// What comes back until the connection's end, if that comes in time.
fn answer_within(socket: &mut TcpStream, patience: Duration) -> Option<String> {
    socket.set_read_timeout(Some(patience)).unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).ok().map(|_| text)
}
