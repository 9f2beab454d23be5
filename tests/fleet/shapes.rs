//! What clients may ask for of any stream works on a shared one: filters and gzip, at any instance.

use crate::nats::{Nats, Version};
use crate::support::client::{Ask, get};
use crate::support::relay::{PATH, Setup};
use crate::{Feed, member, said, up_to};

/// One that clients may filter, and that is compressed for those who ask.
fn shaped(nats: &str, feed: &Feed, instance: &str) -> Setup {
    member(nats, feed, instance, 1).source("filters: 4\ncompress: gzip")
}

/// A filter that lets all through: it makes a derived channel all the same.
fn filtered() -> Ask {
    get(&format!("{PATH}?event=message"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_and_gzip_go_from_one_instance_to_another() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let feed = Feed::start(false).await;
    let a = shaped(&nats.urls(), &feed, "a").start();
    a.eventually_status("/sources/0/state", "live").await;
    let mut all = a.client().await;
    let mut some = a.open(&filtered()).await;
    let last = feed.publish(100).to_string();
    let history = up_to(&mut all, &last).await;
    assert_eq!(up_to(&mut some, &last).await, history);

    // It has not read the log yet when the first of them come.
    let b = shaped(&nats.urls(), &feed, "b").start();
    let mut resumed = b.open(&filtered().last_event_id(&history[49].id)).await;
    assert_eq!(up_to(&mut resumed, &last).await, history[50..]);
    let gzip = |ask: Ask| ask.header("Accept-Encoding", "gzip");
    let mut resumed = b.open(&gzip(filtered().last_event_id(&history[69].id))).await;
    let mut compressed = b.open(&gzip(get(PATH).last_event_id(&history[89].id))).await;
    let mut one = b.open(&get(&format!("{PATH}?match=:102"))).await;
    let last = feed.publish(5).to_string();
    assert_eq!(said(&up_to(&mut resumed, &last).await), numbers(71, 105));
    assert_eq!(said(&up_to(&mut compressed, &last).await), numbers(91, 105));
    assert_eq!(said(&up_to(&mut some, &last).await), numbers(101, 105));
    let event = one.next_event().await;
    assert_eq!(event.data, "102");
    // The filter is dropped at another instance.
    let mut client = a.resume(&event.id).await;
    assert_eq!(said(&up_to(&mut client, &last).await), numbers(103, 105));
}

fn numbers(first: u64, last: u64) -> Vec<String> {
    (first..=last).map(|n| n.to_string()).collect()
}
