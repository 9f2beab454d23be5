//! Numbers that take two trials: what goes beyond the floor, and many streams against one. Each
//! round is compared with itself: the machine is not the same an hour later.

use super::comparison::Standing;
use super::wire::Wire;

/// The entrant that has all clients of `server`'s many streams on one.
pub(crate) fn one_stream(server: &str) -> String {
    format!("{server}-one-stream")
}

/// Puts in what follows from several entrants of a round.
pub(crate) fn relate(standings: &mut [Standing]) {
    each(
        standings,
        |_| "floor".to_owned(),
        "cpu_us_per_return",
        |own, floor| ("cpu_us_beyond_floor", own - floor),
    );
    for (metric, ratio) in [
        ("cpu_us_per_delivery", "cpu_floor_ratio"),
        ("cpu_us_per_connect", "connect_floor_ratio"),
        ("fanout_mean_us", "fanout_floor_ratio"),
    ] {
        each(
            standings,
            |_| "floor".to_owned(),
            metric,
            |own, floor| (ratio, own / floor),
        );
    }
    each(standings, one_stream, "cpu_us_per_delivery", |own, one| {
        ("cpu_one_stream_ratio", own / one)
    });
    for (metric, ratio) in [
        ("cpu_us_per_delivery", "cpu_clear_ratio"),
        ("cpu_us_per_connect", "connect_clear_ratio"),
    ] {
        each(standings, in_clear, metric, |own, clear| (ratio, own / clear));
    }
    further_streams(standings);
}

/// The entrant with the same server over HTTP/1.1 in clear.
fn in_clear(name: &str) -> String {
    name.split_once('@').map_or(name, |(server, _)| server).to_owned()
}

/// What the second stream of a connection and each one after it hold: of two numbers per client, of
/// a connection with one stream and of one with many, what is left when the first stream and the
/// connection are taken off.
fn further_streams(standings: &mut [Standing]) {
    for index in 0..standings.len() {
        let name = standings[index].server.clone();
        let Some((server, Ok(wire))) = name
            .split_once('@')
            .map(|(server, wire)| (server, wire.parse::<Wire>()))
        else {
            continue;
        };
        let streams = f64::from(wire.http2_streams);
        let one = format!("{server}@{}", wire.with_one_stream());
        let from = |own: f64, one: f64| ("rss_kib_per_further_stream", (streams * own - one) / (streams - 1.0));
        if wire.http2_streams > 1 {
            relate_one(standings, index, &one, "rss_kib_per_client", from);
        }
    }
}

/// For each standing that has a partner: a number that follows from what both have of `metric`.
fn each(
    standings: &mut [Standing],
    partner: impl Fn(&str) -> String,
    metric: &str,
    number: impl Fn(f64, f64) -> (&'static str, f64),
) {
    for index in 0..standings.len() {
        let name = partner(&standings[index].server);
        relate_one(standings, index, &name, metric, &number);
    }
}

/// The same for one standing and its partner by name, round by round.
fn relate_one(
    standings: &mut [Standing],
    index: usize,
    partner: &str,
    metric: &str,
    number: impl Fn(f64, f64) -> (&'static str, f64),
) {
    let Some(with) = standings.iter().position(|other| other.server == partner) else {
        return;
    };
    if with == index {
        return;
    }
    let theirs: Vec<Option<f64>> = standings[with]
        .rounds
        .iter()
        .map(|outcome| outcome.values.get(metric))
        .collect();
    for (outcome, theirs) in standings[index].rounds.iter_mut().zip(theirs) {
        if let (Some(own), Some(theirs)) = (outcome.values.get(metric), theirs.filter(|theirs| *theirs > 0.0)) {
            let (name, value) = number(own, theirs);
            outcome.values.set(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::metrics::Values;
    use crate::driver::outcome::Outcome;
    use crate::driver::plan::{Plan, Scenario};

    fn standing(server: &str, metric: &'static str, rounds: &[f64]) -> Standing {
        let outcome = |value: &f64| {
            let mut outcome = Outcome::new(server, &Plan::of(Scenario::Fanout, true));
            outcome.values.set(metric, *value);
            outcome
        };
        Standing {
            server: server.to_owned(),
            left_out: None,
            rounds: rounds.iter().map(outcome).collect(),
            median: Values::default(),
        }
    }

    fn values(standing: &Standing, metric: &str) -> Vec<Option<f64>> {
        standing
            .rounds
            .iter()
            .map(|outcome| outcome.values.get(metric))
            .collect()
    }

    #[test]
    fn each_round_is_compared_with_the_floors() {
        let metric = "cpu_us_per_return";
        let mut standings = [
            standing("floor", metric, &[40.0, 60.0]),
            standing("fanfare", metric, &[70.0, 80.0]),
        ];
        relate(&mut standings);
        assert_eq!(values(&standings[1], "cpu_us_beyond_floor"), [Some(30.0), Some(20.0)]);
        assert_eq!(values(&standings[0], "cpu_us_beyond_floor"), [None, None]);
    }

    #[test]
    fn protocols_are_compared_with_http1_in_clear() {
        let metric = "cpu_us_per_delivery";
        let mut standings = [
            standing("fanfare", metric, &[4.0, 5.0]),
            standing("fanfare@tls", metric, &[5.0, 6.0]),
            standing("nginx@tls", metric, &[9.0, 9.0]),
        ];
        relate(&mut standings);
        assert_eq!(values(&standings[1], "cpu_clear_ratio"), [Some(1.25), Some(1.2)]);
        assert_eq!(values(&standings[2], "cpu_clear_ratio"), [None, None]);
    }

    #[test]
    fn a_connection_is_taken_off_its_further_streams() {
        let metric = "rss_kib_per_client";
        // A connection of 20 KiB, and 2 KiB for each of its streams.
        let mut standings = [
            standing("fanfare@h2-1", metric, &[22.0]),
            standing("fanfare@h2-20", metric, &[3.0]),
            standing("fanfare@h2c-20", metric, &[3.0]),
        ];
        relate(&mut standings);
        let further = "rss_kib_per_further_stream";
        assert_eq!(values(&standings[1], further), [Some(2.0)]);
        assert_eq!(values(&standings[0], further), [None]);
        assert_eq!(values(&standings[2], further), [None]);
    }

    #[test]
    fn many_streams_are_compared_with_one() {
        let metric = "cpu_us_per_delivery";
        let mut standings = [
            standing("fanfare-one-stream", metric, &[8.0]),
            standing("fanfare", metric, &[10.0]),
            standing("origin", metric, &[1.0]),
        ];
        relate(&mut standings);
        assert_eq!(values(&standings[1], "cpu_one_stream_ratio"), [Some(1.25)]);
        assert_eq!(values(&standings[2], "cpu_one_stream_ratio"), [None]);
    }
}
