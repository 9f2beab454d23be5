//! `deploy/container`: the image's root, put together by the script that the Dockerfile runs, holds
//! nothing but what the program needs; and the program runs in it, as somebody who is not root,
//! finds its origin by DNS, trusts it by the certificates that are shipped, answers its own health
//! check, and drains.
//!
//! Building the image itself needs Docker, which is not part of the tests.

use crate::command::{fanfare, run, said, succeeds};
use crate::support::origin::{TestOrigin, within};
use crate::tools::{file, program};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;

const DOCKERFILE: &str = "deploy/container/Dockerfile";

/// Where the test's name server is: name servers have port 53, which only root may take.
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 53, 9, 80);

/// A name that no file knows.
const ORIGIN: &str = "origin.fanfare.test";

fn assembled() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_fanfare");
    succeeds(Command::new(file("deploy/container/root")).arg(binary).arg(root.path()));
    root
}

/// A command that sees nothing but this root, and is the image's user.
fn inside(root: &Path) -> Command {
    let mut command = Command::new(program("unshare"));
    let root = format!("--root={}", root.display());
    command.args(["--user", "--map-user=65532", "--map-group=65532", &root, "--wd=/"]);
    command.arg("/usr/bin/fanfare").env_clear();
    command
}

/// Every file of a folder, relative to it.
fn files(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut left = vec![root.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => assert!(found.insert(path.strip_prefix(root).unwrap().to_owned())),
            }
        }
    }
    found
}

#[test]
fn it_holds_nothing_but_what_is_needed() {
    let root = assembled();
    let files = files(root.path());
    let is_library = |path: &Path| path.starts_with("lib") || path.starts_with("lib64");
    let others: Vec<&str> = files
        .iter()
        .filter(|path| !is_library(path))
        .filter_map(|path| path.to_str())
        .collect();
    assert_eq!(
        others,
        [
            "etc/group",
            "etc/nsswitch.conf",
            "etc/passwd",
            "etc/ssl/certs/ca-certificates.crt",
            "usr/bin/fanfare"
        ]
    );
    let libraries: Vec<&str> = files
        .iter()
        .filter(|path| is_library(path))
        .filter_map(|path| path.file_name()?.to_str())
        .collect();
    assert_eq!(libraries.len(), 4, "{libraries:?}");
    for library in ["libc.so.6", "libm.so.6", "libgcc_s.so.1"] {
        assert!(libraries.contains(&library), "{libraries:?}");
    }
    let version = succeeds(inside(root.path()).arg("--version"));
    assert_eq!(version, format!("fanfare {}\n", env!("CARGO_PKG_VERSION")));
}

/// A certificate authority's PEM, and a server of this name with a certificate of it.
fn server(name: &str) -> (String, Arc<rustls::ServerConfig>) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = builder
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (issuer.pem(), Arc::new(config))
}

/// Answers every question for [`ORIGIN`] with the loopback's address, and others with none (RFC
/// 1035).
async fn answer_names(socket: UdpSocket) {
    let mut query = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut query).await {
        let question = &query[12..length];
        let labels: Vec<u8> = ORIGIN
            .split('.')
            .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
            .collect();
        let end = labels.len() + 1;
        // Type A, class IN; a question for AAAA has no answer.
        let found = question.starts_with(&labels) && question.get(end..end + 4) == Some(&[0, 1, 0, 1]);
        let mut answer = query[..2].to_vec();
        // A response, recursion available; one question, and an answer or none.
        answer.extend([0x81, 0x80, 0, 1, 0, u8::from(found), 0, 0, 0, 0]);
        answer.extend(question.iter().take(end + 4));
        if found {
            answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
        }
        let _ = socket.send_to(&answer, from).await;
    }
}

#[tokio::test]
async fn it_runs_and_finds_and_trusts_its_origin() {
    let names = UdpSocket::bind((NAME_SERVER, 53))
        .await
        .expect("to be a name server, which needs root");
    tokio::spawn(answer_names(names));
    let root = assembled();
    let (authority, tls) = server(ORIGIN);
    let origin = TestOrigin::start_tls(tls).await;
    // What the container's runtime writes, and one authority more.
    std::fs::write(
        root.path().join("etc/resolv.conf"),
        format!("nameserver {NAME_SERVER}\n"),
    )
    .unwrap();
    let roots = root.path().join("etc/ssl/certs/ca-certificates.crt");
    let shipped = std::fs::read_to_string(&roots).unwrap();
    assert!(shipped.matches("BEGIN CERTIFICATE").count() > 50);
    std::fs::write(&roots, shipped + &authority).unwrap();
    let admin = crate::support::ports::free_address();
    let mut relay = tokio::process::Command::from(inside(root.path()))
        .args(["serve", "--listen", "127.0.0.1:0", "--upstream"])
        .arg(format!("https://{ORIGIN}:{}/sse", origin.address().port()))
        .args(["--admin", &admin.to_string()])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut conn = origin.accept().await;
    assert_eq!(
        conn.request().header("host").map(|host| host.starts_with(ORIGIN)),
        Some(true)
    );
    conn.stream_head().await;
    healthy(root.path(), admin, &[]).await;
    healthy(root.path(), admin, &["--live"]).await;
    let id = rustix::process::Pid::from_raw(relay.id().unwrap() as i32).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(within("it to drain", relay.wait()).await.unwrap().code(), Some(0));
}

/// Until the health check in the image says so.
async fn healthy(root: &Path, admin: SocketAddr, more: &[&str]) {
    let check = async {
        loop {
            let mut check = inside(root);
            check.args(["health", "--admin", &admin.to_string()]).args(more);
            if run(&mut check).status.success() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("it to be healthy", check).await;
}

/// The words after an instruction.
fn instruction(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file(DOCKERFILE)).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.map(str::to_owned).collect()
}

#[test]
fn what_the_dockerfile_starts_is_what_the_program_understands() {
    assert_eq!(instruction("FROM").last().unwrap(), "scratch");
    assert_eq!(instruction("USER"), ["65532:65532"]);
    let words = |text: &str| -> Vec<String> { serde_json::from_str(text).unwrap() };
    assert_eq!(words(&instruction("ENTRYPOINT")[0]), ["/usr/bin/fanfare"]);
    let command: Vec<String> = words(&instruction("CMD")[0]);
    assert_eq!(command, ["serve", "--config", "/etc/fanfare/fanfare.yaml"]);
    let health = instruction("HEALTHCHECK").remove(0);
    let health = words(health.split_once("CMD ").unwrap().1);
    assert_eq!(health[0], "/usr/bin/fanfare");
    // Nothing is there to ask: 1, and no mistake of usage.
    let output = run(fanfare().args(&health[1..]).args(["--admin", "127.0.0.1:9"]));
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

/// The image is built from the files that are let through: they have to be enough.
#[test]
fn what_the_build_needs_is_let_through() {
    let ignored = std::fs::read_to_string(file("deploy/container/Dockerfile.dockerignore")).unwrap();
    let kept: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for path in &kept {
        assert!(file(path).exists(), "{path}");
    }
    let manifest = std::fs::read_to_string(file("Cargo.toml")).unwrap();
    let members = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \""))
        .map(|path| path.trim_end_matches('"'));
    for path in members.chain(["loadtest", "Cargo.lock", ".cargo"]) {
        assert!(
            kept.iter().any(|kept| Path::new(path).starts_with(kept)),
            "{path} is not let through"
        );
    }
}
