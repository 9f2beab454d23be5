//! `fanfare upgrade`, as an operator runs it.

use super::House;
use super::numbered::{NumberedOrigin, joined, next};
use crate::support::process::TestProcess;
use crate::support::relay::Setup;
use rustix::process::{Pid, Signal, kill_process};

/// The file holds what only the service has: its environment, a file that others can't read.
#[tokio::test]
async fn the_shell_of_an_operator_needs_none_of_the_service_s_secrets() {
    let origin = NumberedOrigin::start(10).await;
    let key = "reconnect: 20ms, headers: { X-Key: \"${FANFARE_STORY_KEY}\" }";
    let house = House::of(
        Setup::at(&origin.url)
            .upstream(key)
            .top("drain: { spread: 0s, timeout: 5s }\n"),
    );
    let (code, said) = house.run(&["check"]).await;
    assert!(code == 2 && said.contains("FANFARE_STORY_KEY"), "{said}");
    let mut process = TestProcess::start_within(&house.file(), &[("FANFARE_STORY_KEY", "k")]).await;
    origin.connected().await;
    let mut client = joined(process.address).await;
    let (code, said) = house.run(&["upgrade"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("has taken over"), "{said}");
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    let n = origin.publish();
    assert_eq!(next(&mut client).await, n);
    // It is no child of the story's.
    let successor = said.split(' ').nth(1).unwrap().parse().unwrap();
    kill_process(Pid::from_raw(successor).unwrap(), Signal::KILL).unwrap();
}
