//! What goes over with a client, and what does not.

use super::*;

fn waiting_world(source: &str) -> World {
    let mut world = World::new(source);
    for _ in 0..3 {
        world.join(None, false);
    }
    world.settle();
    // The first reads, the others do not.
    for _ in 0..12 {
        world.step(
            &Step::Publish {
                bytes: 60_000,
                has_id: true,
            },
            true,
        );
        world.settle();
        world.peers[0].read(1 << 20);
    }
    world.settle();
    world.peers[0].read(1 << 20);
    world
}

#[test]
fn who_a_client_is_and_how_long_it_may_stay_goes_on() {
    let mut world = World::new("max_age: 10m");
    let expires = SystemTime::now() + Duration::from_secs(100);
    world.grant = Some(Arc::new(Grant {
        basis: [7; 32],
        user: Some(User {
            kind: "jwt",
            name: "a".into(),
        }),
        expires: Some(expires),
        further: Vec::new(),
    }));
    world.join(None, false);
    world.grant = None;
    world.join(None, true);
    world.settle();
    let seen = |world: &World| -> Vec<_> {
        let clients = world.thread.shard.clients.iter().map(|(_, client)| client);
        let left =
            |client: &crate::delivery::client::Client| client.leave_at.since(world.thread.shard.clock.tick()).as_secs();
        let seen = clients.map(|client| {
            let grant = client.permit.grant().map(|grant| (**grant).clone());
            let protocol = client.subscription.protocol();
            (
                client.leaves,
                left(client),
                client.peer.address(),
                grant,
                protocol,
                client.framing,
            )
        });
        seen.collect()
    };
    let before = seen(&world);
    for _ in 0..3 {
        world.hand_over();
    }
    let after = seen(&world);
    assert_eq!(before.len(), 2);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(
            (before.0, before.2, &before.3, before.4, before.5),
            (after.0, after.2, &after.3, after.4, after.5)
        );
        assert!(before.1.abs_diff(after.1) <= 1, "{before:?} {after:?}");
    }
    let one_more = |world: &World| world.quotas.admit(PEER.ip(), None).is_ok();
    assert!(one_more(&world));
}

#[test]
fn a_smaller_log_cuts_who_is_inside_an_event_that_it_does_not_keep() {
    let mut world = waiting_world("log: { bytes: 8MiB }, slow_client: { policy: skip }");
    let source = (*world.config.sources[0]).clone();
    world.config.sources[0] = Arc::new(crate::config::Source {
        log: crate::config::KeptLog {
            bytes: 100_000,
            ..source.log
        },
        ..source
    });
    let (_, carried) = world.give();
    let mut log = Vec::new();
    world.channel.give_log(&mut log).expect("memory takes it");
    let settings = Settings::new(world.config.sources[0].clone());
    let channel = Channel::take(
        &world.channel.give_state(),
        &log[..],
        settings,
        Metrics::new().source("s"),
    );
    let channel = channel.expect("a channel");
    let quotas = quotas(&world.config);
    let mut taken = TakenClients::default();
    for (client, socket) in carried {
        taken
            .take(client, socket, std::slice::from_ref(&channel), &quotas)
            .expect("a client");
    }
    assert_eq!((taken.len(), taken.clients.len()), (3, 1));
    taken.cut();
    assert_eq!(quotas.clients(), 1);
}

#[test]
fn clients_that_there_can_not_be_are_errors() {
    let world = waiting_world("");
    let channels = [world.channel.clone()];
    let (_, carried) = world.give();
    let take = |change: &dyn Fn(&mut serde_json::Value)| {
        let (client, socket) = &carried[1];
        let mut value = serde_json::to_value(client).expect("plain data");
        change(&mut value);
        let client = serde_json::from_value(value).expect("a client's form");
        let socket = socket.try_clone().expect("a descriptor");
        TakenClients::default().take(client, socket, &channels, &world.quotas)
    };
    assert!(take(&|_| {}).is_ok());
    let changes: [(&str, serde_json::Value); 8] = [
        ("channel", 1.into()),
        ("next", 0.into()),
        ("next", 14.into()),
        ("state", "Live".into()),
        ("state", "Closing".into()),
        ("after_rest", "Farewell".into()),
        ("rest", serde_json::json!({ "OfEntry": 1_000_000 })),
        ("rest", serde_json::json!({ "Own": [] })),
    ];
    for (key, value) in changes {
        let taken = take(&|client| client[key] = value.clone());
        assert!(matches!(taken, Err(TakeClientError::Damaged(_))), "{key}: {value}");
    }
    let file = std::fs::File::open("/dev/null").expect("a file");
    let client = carried[1].0.clone();
    let taken = TakenClients::default().take(client, file.into(), &channels, &world.quotas);
    assert!(matches!(taken, Err(TakeClientError::Socket(_))));
}
