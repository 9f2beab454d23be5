//! Clients with filters go over, with what they have chosen.

use super::House;
use crate::support::client::get;
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filtered_clients_notice_nothing() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source("ids: pass\nfilters: 10");
    let house = House::of(setup.top("drain: { spread: 0s, timeout: 5s }\n"));
    let mut process = house.start().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    process.logged("connected to the origin").await;
    let mut clients = Vec::new();
    for kind in ["a", "b", "a"] {
        let mut client = get(&format!("{PATH}?event={kind}")).open(process.address).await;
        client.opened().await;
        clients.push((kind, client));
    }
    let mut n = 0;
    for round in 0..4 {
        for _ in 0..20 {
            n += 1;
            let kind = ["a", "b", "c"][n % 3];
            conn.event(&format!("id: {n}\nevent: {kind}\ndata: {n}")).await;
        }
        if round < 3 {
            let new = house.take_over().await;
            assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
            let line = &new.log_lines("taken over")[0];
            assert_eq!(line["clients"], 3, "{line}");
            process = new;
        }
    }
    for (kind, client) in &mut clients {
        for n in (1..=80).filter(|n| ["a", "b", "c"][n % 3] == *kind) {
            assert_eq!(client.next_event().await.data, n.to_string(), "{kind}");
        }
    }
    assert_eq!(process.metric("fanfare_derived_channels{source=\"s\"}").await, 2.0);
    // Who comes back to the new process goes on there.
    let mut back = get(&format!("{PATH}?event=b"))
        .last_event_id("76")
        .open(process.address)
        .await;
    assert_eq!(back.next_event().await.data, "79");
}
