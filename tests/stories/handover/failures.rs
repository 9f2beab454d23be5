//! Upgrades that can't be: the running process goes on as if nothing had been.

use super::{House, run};
use crate::support::client::get;
use crate::support::origin::TestOrigin;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt as _;

const FAILED: &str = "fanfare_handed_over_total{outcome=\"failed\"}";

#[tokio::test]
async fn a_second_process_does_not_start_beside_the_first() {
    let origin = TestOrigin::start().await;
    let house = House::over(&origin);
    let process = house.start().await;
    let (code, said) = house.run(&["serve"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("a running process answers at") && said.contains("--takeover"),
        "{said}"
    );
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
}

#[tokio::test]
async fn there_has_to_be_one_to_take_over_from() {
    let origin = TestOrigin::start().await;
    let house = House::over(&origin);
    let (code, said) = house.run(&["serve", "--takeover"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no process to take over from answers at"), "{said}");
    let (code, said) = house.run(&["upgrade"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no process answers"), "{said}");
    // Without the key neither can be.
    let plain = house.path("plain.yaml");
    std::fs::write(&plain, Setup::over(&origin).yaml()).unwrap();
    for arguments in [&["serve", "--takeover"][..], &["upgrade"]] {
        let (code, said) = run(&plain, arguments).await;
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("`handover`"), "{said}");
    }
}

#[tokio::test]
async fn a_directory_that_others_may_enter_is_refused() {
    let origin = TestOrigin::start().await;
    let house = House::over(&origin);
    let folder = house.socket();
    let folder = folder.parent().unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (code, said) = house.run(&["serve"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("mode 0700"), "{said}");
}

/// The new process finds a mistake in the file: it ends with 2, and the old one says so.
#[tokio::test]
async fn a_broken_file_is_found_before_anything_is_touched() {
    let origin = TestOrigin::start().await;
    let house = House::over(&origin);
    let process = house.start().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
    house.write(&format!("{}nonsense: 1\n", house.setup().yaml()));
    let (code, said) = house.run(&["serve", "--takeover"]).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("nonsense"), "{said}");
    assert_eq!(process.metric(FAILED).await, 0.0);
    process.signal(Signal::USR2);
    process.eventually_metric(FAILED, 1.0).await;
    let status = process.status().await;
    assert_eq!(status["upgrade"]["outcome"], "failed");
    let said = status["upgrade"]["said"].as_str().unwrap();
    assert!(said.contains("exit status: 2"), "{said}");
    // The command says so too, of a file that is right for it and wrong for the machine.
    house.write(&house.setup().listen("192.0.2.1:1").yaml());
    let (code, said) = house.run(&["upgrade"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("not upgraded"), "{said}");
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
}

/// The address that the new configuration adds is another program's.
#[tokio::test]
async fn an_address_in_use_is_found_before_anything_is_touched() {
    let origin = TestOrigin::start().await;
    let house = House::over(&origin);
    let shared = house.path("shared");
    let listen = format!("[127.0.0.1:0, \"unix:{}\"]", shared.display());
    house.write(&house.setup().listen(&listen).yaml());
    let process = house.start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let both = format!(
        "[127.0.0.1:0, \"unix:{}\", \"{}\"]",
        shared.display(),
        taken.local_addr().unwrap()
    );
    house.write(&house.setup().listen(&both).yaml());
    let (code, said) = house.run(&["serve", "--takeover"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("another process has the port"), "{said}");
    process.eventually_metric(FAILED, 1.0).await;
    get(PATH).open(process.address).await.opened().await;
    // What both would have had is still the old one's.
    assert!(house.socket().exists() && shared.exists());
    house.write(&house.setup().listen(&listen).yaml());
    let next = house.take_over().await;
    assert_eq!(next.address, process.address);
}

#[tokio::test]
async fn one_that_may_open_too_few_files_is_refused() {
    let origin = TestOrigin::start().await;
    let house = House::over(&origin);
    let process = house.start().await;
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", "ulimit -n 40; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_fanfare")]);
    command.args(["serve", "--takeover", "--config"]).arg(house.file());
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("files"), "{said}");
    get(PATH).open(process.address).await.opened().await;
}

/// SIGTERM while another process takes over: the old one leaves as it would have.
#[tokio::test]
async fn a_signal_to_leave_breaks_a_hand_over_off() {
    use fanfare::handover::{FORMATS, Hello, Kind, Link};
    let origin = TestOrigin::start().await;
    let house = House::of(Setup::over(&origin).top("drain: { spread: 0s, timeout: 2s }\n"));
    let mut process: TestProcess = house.start().await;
    let link = Link::connect(&house.socket()).unwrap();
    let hello = Hello::new(FORMATS, "9.9.9", 1 << 20).bytes().unwrap();
    link.send_bytes(Kind::TakeOver, &hello, &[]).unwrap();
    link.expect(Kind::Welcome, "an answer").unwrap();
    link.expect(Kind::Listeners, "listeners").unwrap();
    process.terminate();
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    assert!(!house.socket().exists());
}
