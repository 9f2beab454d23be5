//! A process that has run out of file descriptors: the admin listener waits, and goes on when there are some again.
//!
//! In a file, and so a process, of its own: the limit is the process's, and other tests need descriptors.

use fanfare::admin::Admin;
use fanfare::metrics::Metrics;
use fanfare::status::{Observed, Readiness, Status};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

struct Relay(Arc<Metrics>);

impl Observed for Relay {
    fn status(&self) -> Pin<Box<dyn Future<Output = Status> + Send + '_>> {
        Box::pin(std::future::pending())
    }
    fn readiness(&self) -> Readiness {
        Readiness::default()
    }
    fn metrics(&self) -> &Metrics {
        &self.0
    }
}

#[test]
fn the_listener_outlives_a_lack_of_descriptors() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = Admin::start(listener, Arc::new(Relay(Metrics::new()))).unwrap();
    ping(TcpStream::connect(admin.addr()).unwrap(), Duration::from_secs(10)).unwrap();

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
    let client = TcpStream::connect(admin.addr()).unwrap();
    assert!(
        File::open("/dev/null").is_err(),
        "the client has taken the last descriptor"
    );
    let mut waiting = client;
    assert!(
        ping_within(&mut waiting, Duration::from_millis(600)).is_none(),
        "accepted without a descriptor"
    );

    drop(held);
    assert!(
        ping_within(&mut waiting, Duration::from_secs(10))
            .unwrap()
            .contains("200 OK")
    );
}

fn ping(mut socket: TcpStream, patience: Duration) -> Option<String> {
    ping_within(&mut socket, patience)
}

/// Asks, and answers what came back until the connection's end, if that came in time.
fn ping_within(socket: &mut TcpStream, patience: Duration) -> Option<String> {
    socket.set_read_timeout(Some(patience)).unwrap();
    // A second request on the same connection is harmless: the first one's answer closes it.
    write!(socket, "GET /ping HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).ok().map(|_| text)
}
