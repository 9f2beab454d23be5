//! Sockets that systemd has bound: `systemd-socket-activate` does to the program what a socket unit
//! does.

use crate::support::client::get;
use crate::support::origin::{TestOrigin, within};
use crate::support::ports::free_address;
use crate::support::relay::{PATH, eventually};
use crate::tools::{file, program};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command as Plain, Stdio};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// A service whose sockets are there before it is.
struct Activated {
    /// systemd-socket-activate, and from the first connection on the relay.
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Activated {
    fn start(file: &Path, sockets: &[&str]) -> Self {
        let listen = sockets.iter().flat_map(|socket| ["--listen", socket]);
        let mut child = Command::new(program("systemd-socket-activate"))
            .args(listen)
            .arg(env!("CARGO_BIN_EXE_fanfare"))
            .args(["serve", "--config"])
            .arg(file)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let written = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                written.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { child, log }
    }

    fn said(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    async fn listens(&self, address: SocketAddr) {
        let line = format!("Listening on {address}");
        eventually("the manager to listen", || self.said().contains(&line)).await;
    }
}

#[tokio::test]
async fn sockets_of_the_manager_are_used_for_what_is_configured_at_their_addresses() {
    let origin = TestOrigin::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (clients, admin, unused) = (free_address(), free_address(), free_address());
    let unix = dir.path().join("clients.sock");
    let configuration = dir.path().join("fanfare.yaml");
    let yaml = format!(
        "listen: [\"{clients}\", \"unix:{}\"]\nadmin: {admin}\ndrain: {{ spread: 0s, timeout: 5s }}\n\
         sources: {{ s: {{ path: {PATH}, upstream: \"{}\" }} }}\n",
        unix.display(),
        origin.url("/events"),
    );
    std::fs::write(&configuration, yaml).unwrap();
    let sockets = [clients.to_string(), admin.to_string(), unused.to_string()];
    let sockets = [&*sockets[0], &*sockets[1], &*sockets[2], unix.to_str().unwrap()];
    let mut service = Activated::start(&configuration, &sockets);
    service.listens(unused).await;

    // The first connection starts it, and is answered.
    let mut client = get(PATH).open(clients).await;
    let mut origin = origin.accept().await;
    origin.stream_head().await;
    client.opened().await;
    origin.event("id: 1\ndata: one").await;
    assert_eq!(client.next_event().await.data, "one");

    // So are those at the other sockets.
    assert_eq!(get("/livez").answer(admin).await.head.status, 200);
    let mut by_unix = UnixStream::connect(&unix).await.unwrap();
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n");
    by_unix.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 15];
    within("an answer", by_unix.read_exact(&mut head)).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");

    let said = service.said();
    assert!(
        said.contains("a socket at which the configuration does not listen"),
        "{said}"
    );
    assert!(said.contains(&unused.to_string()), "{said}");

    // What the manager has made is not removed by a service that ends.
    let id = service.child.id().unwrap().to_string();
    assert!(Plain::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let exit = within("the end", service.child.wait()).await.unwrap();
    assert_eq!(exit.code(), Some(0), "{}", service.said());
    assert!(unix.exists());
}

#[test]
fn systemd_takes_the_unit_of_the_sockets() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("fanfare.socket");
    std::fs::copy(file("deploy/systemd/fanfare.socket"), &socket).unwrap();
    let service = std::fs::read_to_string(file("deploy/systemd/fanfare.service")).unwrap();
    let service = service.replace("/usr/bin/fanfare", env!("CARGO_BIN_EXE_fanfare"));
    std::fs::write(dir.path().join("fanfare.service"), service).unwrap();
    let verify = || {
        let mut command = Plain::new(program("systemd-analyze"));
        command.args(["verify", "--man=no"]).arg(&socket).output().unwrap()
    };
    let output = verify();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    // A key that is none is found, so that the above says something.
    let text = std::fs::read_to_string(&socket).unwrap();
    std::fs::write(&socket, text.replace("ListenStream=", "ListenStreams=")).unwrap();
    assert!(String::from_utf8_lossy(&verify().stderr).contains("ListenStreams"));
}
