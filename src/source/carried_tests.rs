//! Sources that go on in another registry, as they would in another process.

use super::carried::{CarriedChannel, CarriedChannelError};
use super::taken_upstreams::TakenUpstreams;
use super::{Basis, Change, OpenOutcome, Registry};
use crate::channel::{Channel, Removal};
use crate::config::{Config, Source, read};
use crate::critical::CriticalTasks;
use crate::event_stream::{Parser, ParserOptions};
use crate::kept::Directories;
use crate::log::Position;
use crate::metrics::{Metrics, Protocol};
use crate::quotas::{Budget, Quotas};
use crate::source::LiveSource;
use crate::upstream::UpstreamRuntime;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

const NOWHERE: &str = "upstream: \"http://127.0.0.1:9/\"";

fn config(sources: &str) -> Config {
    let yaml = format!("sources:\n{sources}");
    read(&yaml, "test.yaml", &|_| None).expect("a configuration").config
}

fn registry(config: &Config) -> Registry {
    let quotas = Quotas::new(&config.limits, &Budget::new(1000, 0, 1));
    let runtime = UpstreamRuntime::start(1).expect("a thread");
    let critical = CriticalTasks::default();
    let directories = Arc::new(Directories::new(critical.clone()));
    Registry::new(runtime, Metrics::new(), quotas, critical, directories, None)
}

fn started(config: &Config) -> Registry {
    let registry = registry(config);
    let added: Vec<_> = config
        .sources
        .iter()
        .map(|source| (source.clone(), Change::Added))
        .collect();
    registry.start(&added);
    registry
}

fn publish(channel: &Arc<Channel>, stream: &str) {
    let mut parser = Parser::new(ParserOptions {
        event_bytes_max: 1000,
        comments: false,
    });
    parser.push(Bytes::from(stream.to_owned()));
    let mut publisher = channel.publisher_going_on(0, b"", true);
    while let Some(item) = parser.next_item() {
        publisher.item(item, Instant::now());
    }
    publisher.flush();
}

fn channel(registry: &Registry, source: &str) -> Arc<Channel> {
    let list = registry.list();
    let live = list.iter().find(|live| live.name() == source).expect("a source");
    live.channels()[0].0.clone()
}

/// The channel of a job, once clients may come in.
async fn job(registry: &Registry, path: &str) -> Arc<Channel> {
    let list = registry.list();
    let LiveSource::Templated(templated) = &*list[1] else {
        panic!("no templated one")
    };
    let parameters = templated.shared().fit(path).expect("fits").expect("good");
    match templated.shared().enter(parameters, Protocol::Http11, None) {
        OpenOutcome::In(admission) => admission.subscription.channel().clone(),
        OpenOutcome::Asking(admission, first) => {
            assert_eq!(first.wait().await, None);
            admission.subscription.channel().clone()
        }
        _ => panic!("not in"),
    }
}

/// What is given by one and taken by the other.
fn handed_over(from: &Registry, config: &Config) -> Result<(Registry, Vec<Arc<Channel>>), CarriedChannelError> {
    let there: Vec<_> = config
        .sources
        .iter()
        .map(|source: &Arc<Source>| Basis::of(source))
        .collect();
    let going_on = from.going_on(&there);
    let carried: Vec<(CarriedChannel, Vec<u8>)> = from
        .give_channels(&going_on)
        .into_iter()
        .map(|given| {
            let mut log = Vec::new();
            given.write_log(&mut log).expect("memory takes it");
            (given.carried, log)
        })
        .collect();
    let to = registry(config);
    let channels = to.open_with(
        &config.sources,
        carried.iter().map(|(carried, log)| (carried.clone(), &log[..])),
    )?;
    to.begin(TakenUpstreams::default());
    from.let_go(&going_on, Removal { spread: Duration::ZERO });
    Ok((to, channels))
}

#[tokio::test]
async fn what_goes_on_and_what_does_not() {
    let before = config(&format!(
        "  same: {{ path: /same, {NOWHERE} }}\n  moved: {{ path: /old, {NOWHERE} }}\n  gone: {{ path: /gone, {NOWHERE} }}\n  ids: {{ path: /ids, {NOWHERE} }}\n"
    ));
    let after = config(&format!(
        "  new: {{ path: /new, {NOWHERE} }}\n  same: {{ path: [/also, /same], linger: 1s, {NOWHERE} }}\n  moved: {{ path: /moved, {NOWHERE} }}\n  ids: {{ path: /ids, ids: assign, {NOWHERE} }}\n"
    ));
    let old = started(&before);
    for source in ["same", "moved", "gone", "ids"] {
        publish(&channel(&old, source), "id: 7\ndata: x\n\n");
    }
    let (new, channels) = handed_over(&old, &after).expect("taken");
    assert_eq!(channels.len(), 1);
    assert_eq!(channels[0].name(), "same");
    assert_eq!(channels[0].place_behind(b"7").gap, None);
    assert_eq!(channel(&old, "same").removal(), None);
    for source in ["moved", "gone", "ids"] {
        assert!(channel(&old, source).removal().is_some(), "{source} is not drained");
    }
    let names: Vec<_> = new.list().iter().map(|live| live.name()).collect();
    assert_eq!(names, ["new", "same", "moved", "ids"]);
    assert_eq!(channel(&new, "moved").log().events(), 0);
}

#[tokio::test]
async fn ids_and_the_end_go_on() {
    let config = config(&format!(
        "  s: {{ path: /s, end_when: {{ event: end }}, coalesce: 1m, {NOWHERE} }}\n"
    ));
    let old = started(&config);
    let before = channel(&old, "s");
    publish(&before, "data: 1\n\ndata: 2\n\n");
    let (mid, channels) = handed_over(&old, &config).expect("taken");
    // What was held back is in, and is numbered on.
    let channel = &channels[0];
    assert_eq!(channel.log().tip().position, Position::new(2));
    assert_eq!(channel.exact_id(Position::new(2)), before.exact_id(Position::new(2)));
    publish(channel, "id: own\ndata: 3\n\nevent: end\ndata: 4\n\n");
    let (_new, channels) = handed_over(&mid, &config).expect("taken");
    let channel = &channels[0];
    let end = channel.end().expect("it has ended");
    assert_eq!((end.last, &end.id[..]), (channel.log().head(), &b"own"[..]));
    assert!(channel.has_terminated() && channel.is_over_for(Some(b"own"), None));
    publish(channel, "data: 5\n\n");
    assert_eq!(channel.log().head(), end.last, "nothing comes behind the end");
}

/// Nothing is known of the upstream: what it had is missing if the new connection does not go on there.
#[tokio::test]
async fn an_upstream_that_does_not_go_over_is_a_gap() {
    let config = config(&format!("  s: {{ path: /s, {NOWHERE} }}\n"));
    let old = started(&config);
    let before = channel(&old, "s");
    let gaps = |channel: &Arc<Channel>, resumed| {
        let events = channel.log().events();
        channel.publisher(0).connected(resumed);
        channel.log().events() - events
    };
    assert_eq!([gaps(&before, false), gaps(&before, true)], [0, 0]);
    let (_new, channels) = handed_over(&old, &config).expect("taken");
    assert_eq!([gaps(&channels[0], true), gaps(&channels[0], false)], [0, 1]);
}

#[tokio::test]
async fn channels_of_parameters_go_on() {
    let config = config(&format!(
        "  s: {{ path: /s, {NOWHERE} }}\n  jobs: {{ path: \"/jobs/{{job}}\", upstream: \"http://127.0.0.1:9/{{job}}\" }}\n"
    ));
    let old = started(&config);
    let before = job(&old, "/jobs/a%20b").await;
    publish(&before, "data: 1\n\n");
    let (new, channels) = handed_over(&old, &config).expect("taken");
    let [_, taken] = &channels[..] else {
        panic!("two channels")
    };
    let after = job(&new, "/jobs/a%20b").await;
    assert!(Arc::ptr_eq(taken, &after), "another client comes in to it");
    assert_eq!(after.exact_id(Position::new(1)), before.exact_id(Position::new(1)));
    assert_eq!(after.log().events(), 1);
    let other = job(&new, "/jobs/b").await;
    assert!(!Arc::ptr_eq(taken, &other));
    // The old one opens nothing any more.
    let LiveSource::Templated(templated) = &*old.list()[1] else {
        panic!("no templated one")
    };
    let parameters = templated.shared().fit("/jobs/c").expect("fits").expect("good");
    assert!(matches!(
        templated.shared().enter(parameters, Protocol::Http11, None),
        OpenOutcome::Gone
    ));
}

/// A job whose origin has not answered does not go over: who waits for it asks anew.
#[tokio::test]
async fn who_waits_for_an_origin_s_first_answer_asks_anew() {
    let origin = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/{{job}}", origin.local_addr().expect("an address"));
    let config = config(&format!(
        "  s: {{ path: /s, {NOWHERE} }}\n  jobs: {{ path: \"/jobs/{{job}}\", upstream: \"{url}\" }}\n"
    ));
    let old = started(&config);
    let LiveSource::Templated(templated) = &*old.list()[1] else {
        panic!("no templated one")
    };
    let parameters = templated.shared().fit("/jobs/1").expect("fits").expect("good");
    let OpenOutcome::Asking(admission, first) = templated.shared().enter(parameters, Protocol::Http11, None) else {
        panic!("answered")
    };
    let (_new, channels) = handed_over(&old, &config).expect("taken");
    assert_eq!(channels.len(), 1);
    assert!(first.wait().await.is_some(), "no answer comes");
    assert!(admission.subscription.channel().removal().is_some());
}

#[tokio::test]
async fn what_can_not_be_taken_is_an_error() {
    let config = config(&format!(
        "  s: {{ path: /s, {NOWHERE} }}\n  jobs: {{ path: \"/jobs/{{job}}\", {NOWHERE} }}\n"
    ));
    let old = started(&config);
    let there: Vec<_> = config.sources.iter().map(|source| Basis::of(source)).collect();
    let given = old.give_channels(&old.going_on(&there));
    let mut log = Vec::new();
    given[0].write_log(&mut log).expect("memory takes it");
    let good = given[0].carried.clone();
    let taken = |carried: &[CarriedChannel]| {
        let channels = carried.iter().map(|carried| (carried.clone(), &log[..]));
        registry(&config).open_with(&config.sources, channels).err()
    };
    assert!(taken(std::slice::from_ref(&good)).is_none());
    assert!(matches!(
        taken(&[good.clone(), good.clone()]),
        Some(CarriedChannelError::Twice)
    ));
    let named = |source: &str, parameters: &[(&str, &str)]| CarriedChannel {
        source: source.to_owned(),
        parameters: parameters
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        ..good.clone()
    };
    for (carried, parameters_are_wrong) in [
        (named("other", &[]), false),
        (named("s", &[("job", "1")]), true),
        (named("jobs", &[]), true),
        (named("jobs", &[("job", "../1")]), true),
    ] {
        match taken(&[carried]) {
            Some(CarriedChannelError::Parameters) => assert!(parameters_are_wrong),
            Some(CarriedChannelError::Source) => assert!(!parameters_are_wrong),
            other => panic!("{other:?}"),
        }
    }
    let jobs = [named("jobs", &[("job", "1")]), named("jobs", &[("job", "2")])];
    assert!(taken(&jobs).is_none());
}
