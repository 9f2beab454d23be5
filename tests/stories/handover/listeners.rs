//! The listening sockets: whoever connects, at whatever moment, is served.

use super::House;
use crate::support::client::{ask, get};
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::net::UnixStream;

/// Three in a row, while clients, probes and proxies come as fast as they can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_one_connects_in_vain() {
    let origin = TestOrigin::start().await;
    let house = House::over(&origin);
    let mut process = house.start().await;
    origin.accept().await.stream_head().await;
    let (address, admin) = (process.address, process.admin);
    let (is_over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..4 {
        let (is_over, served) = (is_over.clone(), served.clone());
        callers.spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                match n {
                    0 => assert_eq!(ask("GET", "/livez").answer(admin).await.head.status, 200),
                    1 => assert_eq!(ask("GET", "/nothing").answer(address).await.head.status, 404),
                    _ => get(PATH).open(address).await.opened().await,
                }
                served.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    for _ in 0..3 {
        let next = house.take_over().await;
        assert_eq!((next.address, next.admin), (address, admin));
        assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
        let before = served.load(Ordering::SeqCst);
        while served.load(Ordering::SeqCst) < before + 8 {
            tokio::task::yield_now().await;
        }
        process = next;
    }
    is_over.store(true, Ordering::SeqCst);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    assert_eq!(process.status().await["upgrade"]["outcome"], "handed_over");
}

/// One listener stays, one goes, one is new; sockets of files are never missing.
#[tokio::test]
async fn listeners_are_those_of_the_new_configuration() {
    let origin = TestOrigin::start().await;
    let house = House::over(&origin);
    let [stays, goes, comes] = ["stays", "goes", "comes"].map(|name| house.path(name));
    let listen = |second: &std::path::Path| {
        let both = format!(
            "[127.0.0.1:0, \"unix:{}\", \"unix:{}\"]",
            stays.display(),
            second.display()
        );
        house.setup().listen(&both).yaml()
    };
    house.write(&listen(&goes));
    let mut old = house.start().await;
    let inode = |path: &std::path::Path| path.metadata().unwrap().ino();
    let (stayed, control) = (inode(&stays), inode(&house.socket()));
    house.write(&listen(&comes));
    let new = house.take_over().await;
    assert_eq!(new.address, old.address);
    assert_eq!(old.exit().await.code(), Some(0));
    assert_eq!((inode(&stays), inode(&house.socket())), (stayed, control));
    assert!(!goes.exists());
    for path in [&stays, &comes] {
        UnixStream::connect(path).await.unwrap();
    }
    assert!(new.log_lines("listening for clients").len() == 3);
    drop(new);
}

/// A process that ends takes its sockets with it; one that was killed leaves a file that is no
/// hindrance.
#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let origin = TestOrigin::start().await;
    let house = House::of(Setup::over(&origin).top("drain: { spread: 0s, timeout: 1s }\n"));
    let mut process = house.start().await;
    process.signal(rustix::process::Signal::KILL);
    process.exit().await;
    assert!(house.socket().exists());
    let mut process = house.start().await;
    process.terminate();
    assert_eq!(process.exit().await.code(), Some(0));
    assert!(!house.socket().exists());
}
