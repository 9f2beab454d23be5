//! What a client may ask for, and what a job is called.

use super::*;

/// What a job is called is never a wildcard, and jobs that are called alike are not the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_never_wildcards() {
    let nats = Nats::start(Version::V2_9, 1).await;
    let jobs = Jobs::start(false).await;
    let setup = |name| {
        let url = jobs.url().replace("{job}", "{job}-{a}-{b}-{c}-{d}");
        let urls = nats.urls();
        let fleet = format!("fleet: {{ nats: [{urls}], instance: {name}, replicas: 1 }}");
        Setup::at(&url)
            .path("/events/{job}/{a}/{b}/{c}/{d}")
            .top(&fleet)
            .source("fleet: true\nend_when: [{ event: done }]")
    };
    let (a, b) = (started(&setup("a")).await, started(&setup("b")).await);
    let long = "%C3%A4".repeat(128);
    let names = [
        "*/a/a/a/a".to_owned(),
        "%3E/a/a/a/a".to_owned(),
        "a.b/a/a/a/a".to_owned(),
        "a%20b/a/a/a/a".to_owned(),
        "%2A%2A/a/a/a/a".to_owned(),
        "$JS.API/a/a/a/a".to_owned(),
        "%C3%A4/a/a/a/a".to_owned(),
        "a%CC%88/a/a/a/a".to_owned(),
        format!("{long}/{long}/{long}/{long}/{long}"),
        format!("{long}/{long}/{long}/{long}/x"),
    ];
    let mut clients = Vec::new();
    for (n, name) in names.iter().enumerate() {
        clients.push([client(a.address, name, None).await, client(b.address, name, None).await]);
        eventually("the origin to be asked", || jobs.names().len() == n + 1).await;
    }
    // The same by another encoding.
    let mut same = client(b.address, "%2a/%61/a/a/a", None).await;
    for name in jobs.names() {
        eventually("a connection", || jobs.open(&name) == 1).await;
        jobs.publish(&name, 3);
    }
    for [one, two] in &mut clients {
        let events = one.until_data("3").await;
        assert_eq!(said(&events), numbers(1, 3));
        assert_eq!(two.until_data("3").await, events);
    }
    assert_eq!(said(&same.until_data("3").await), numbers(1, 3));
    let subjects = subjects(&nats).await;
    assert_eq!(subjects.len(), names.len(), "{subjects:?}");
    for (subject, _) in &subjects {
        let key = subject.strip_prefix("fanfare.cw.").unwrap();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte);
        assert!(key.bytes().all(is_plain) && key.len() <= 128, "{subject}");
    }
}

/// What a client may ask for is the same on every instance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_and_starts_are_the_same_everywhere() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let jobs = Jobs::start(true).await;
    let setup = |name| member(&nats, &jobs, name, 1).source("filters: 4\nids: pass");
    let a = started(&setup("a")).await;
    let mut one = client(a.address, "one", None).await;
    let last = jobs.publish("one", 10);
    let history = one.until_data(&last).await;
    assert_eq!(history[3].id(), "4", "the origin's");
    let b = started(&setup("b")).await;
    for relay in [&a, &b] {
        let mut resumed = client(relay.address, "one", Some(b"7")).await;
        assert_eq!(resumed.until_data("10").await, history[7..]);
        let mut last = relay.open(&get("/events/one?last=2")).await;
        assert_eq!(said(&last.until_data("10").await), ["9", "10"]);
        let mut earliest = client(relay.address, "one", None).await;
        assert_eq!(earliest.until_data("10").await, history);
        let mut live = relay.open(&get("/events/one?start=live")).await;
        let mut filtered = relay.open(&get("/events/one?event=done")).await;
        assert!(live.events_so_far().is_empty() && filtered.events_so_far().is_empty());
    }
    let mut filtered = b.open(&get("/events/one?event=done")).await;
    let mut live = b.open(&get("/events/one?start=live")).await;
    jobs.finish("one");
    assert_eq!(said(&to_the_end(&mut filtered).await), ["done"]);
    assert_eq!(said(&to_the_end(&mut live).await), ["done"]);
}
