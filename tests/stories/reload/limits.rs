//! Limits that a reload raises or lowers: nobody is cut, and newcomers go by the new ones.

use crate::support::client::{End, get};
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup};

#[tokio::test]
async fn a_limit_below_what_is_in_use_cuts_nobody_and_lets_nobody_in() {
    let origin = TestOrigin::start().await;
    let setup = |clients: usize| Setup::over(&origin).top(&format!("limits: {{ clients: {clients} }}"));
    let (relay, mut conn) = setup(4).start_with(&origin).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(relay.client().await);
    }
    let refused = || async {
        let mut refused = get(PATH).open(relay.address).await;
        assert_eq!(refused.end().await, End::LastChunk);
    };
    refused().await;
    relay.reload(&setup(2));
    assert_eq!(relay.metric("fanfare_limit{limit=\"clients\"}"), 2.0);
    conn.event("data: x").await;
    for client in &mut clients {
        assert_eq!(client.next_event().await.data, "x");
    }
    for left in [3, 2] {
        clients.pop();
        relay.eventually_clients(left).await;
        refused().await;
    }
    clients.pop();
    relay.eventually_clients(1).await;
    clients.push(relay.client().await);
    refused().await;
    relay.reload(&setup(3));
    clients.push(relay.client().await);
    conn.event("data: y").await;
    for client in &mut clients {
        client.until_data("y").await;
    }
}

#[tokio::test]
async fn clients_are_counted_by_address_from_then_on() {
    let origin = TestOrigin::start().await;
    let setup = |n: usize| Setup::over(&origin).top(&format!("limits: {{ clients_per_ip: {n} }}"));
    let (relay, _conn) = setup(0).start_with(&origin).await;
    let _before = [relay.client().await, relay.client().await];
    relay.reload(&setup(1));
    let one = relay.client().await;
    let mut two = get(PATH).open(relay.address).await;
    assert_eq!(two.end().await, End::LastChunk);
    drop(one);
    relay.eventually_clients(2).await;
    let _one = relay.client().await;
    relay.reload(&setup(0));
    let _many = [relay.client().await, relay.client().await];
}

#[tokio::test]
async fn channels_and_the_rate_of_newcomers_change() {
    let origin = TestOrigin::start().await;
    let setup = |limits: &str| {
        Setup::at(&origin.url("/{job}"))
            .path("/jobs/{job}")
            .top(&format!("limits: {{ {limits} }}"))
    };
    let relay = setup("channels: 1").start();
    let open = async |job: &str| {
        let mut client = get(&format!("/jobs/{job}")).send(relay.address).await;
        let mut conn = origin.accept().await;
        conn.stream_head().await;
        assert_eq!(client.read_head().await.status, 200);
        (client, conn)
    };
    let _one = open("1").await;
    let refused = async |job: &str| {
        let mut client = get(&format!("/jobs/{job}")).open(relay.address).await;
        assert_eq!(client.end().await, End::LastChunk);
    };
    refused("2").await;
    relay.reload(&setup("channels: 2"));
    let _two = open("2").await;
    relay.reload(&setup("channels: 1"));
    refused("3").await;
    relay.reload(&setup("channels: 9, accepts_per_second: 1"));
    let _three = open("3").await;
    refused("4").await;
    relay.reload(&setup("channels: 9"));
    let _four = (open("4").await, open("5").await);
}
