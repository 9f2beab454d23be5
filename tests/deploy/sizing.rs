//! `docs/sizing.md`: its sums are made of what was measured, here.
//!
//! `FANFARE_WRITE_DOCS=1 cargo test --test deploy sizing` writes the table anew.

use crate::tools::file;
use std::fmt::Write as _;

/// Resident memory per client, KiB: measured 0.24 to 0.60 (docs/benchmarks.md); the highest.
const CLIENT_KIB: f64 = 0.6;
/// The kernel's, for a connection that takes what it gets, KiB.
const SOCKET_KIB: f64 = 5.0;
/// The kernel's, for one that stalls, at the most, KiB; for 20 s, then it is evicted.
const STALLED_KIB: f64 = 256.0;
/// So many stall at one time: a guess, which an outage of a network makes wrong.
const STALLED_PART: f64 = 0.01;
/// The log's bound per source, MiB, and what the process has without clients.
const LOG_MIB: f64 = 16.0;
const PROCESS_MIB: f64 = 25.0;
/// CPU per delivery, µs, of one event to 10,000 clients: measured 5.0 to 8.0; with room.
const DELIVERY_MICROS: f64 = 7.5;
/// CPU per connection, µs: measured 25 to 44.
const CONNECT_MICROS: f64 = 45.0;
/// An event of 200 bytes, its framing, and the headers of TCP and IP.
const EVENT_BYTES: f64 = 200.0 + 20.0 + 66.0;
/// Clients come back within 4.5 s (`reconnect: 3s` ± 50%): spread over 3 s.
const RETURN_SECONDS: f64 = 3.0;
/// Clients per instance that leave room for the clients of one that fails.
const PER_INSTANCE: f64 = 50_000.0;

fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn memory(mib: f64) -> String {
    match mib {
        mib if mib >= 1024.0 => format!("{:.1} GiB", mib / 1024.0),
        mib => format!("{mib:.0} MiB"),
    }
}

fn rate(megabits: f64) -> String {
    match megabits {
        megabits if megabits >= 1000.0 => format!("{:.1} Gbit/s", megabits / 1000.0),
        megabits => format!("{megabits:.0} Mbit/s"),
    }
}

/// One column: all instances together.
fn sums(clients: f64) -> Vec<String> {
    let instances = (clients / PER_INSTANCE).ceil().max(2.0);
    let cores = |events_per_second: f64| clients * events_per_second * DELIVERY_MICROS / 1e6;
    let network = |events_per_second: f64| clients * events_per_second * EVENT_BYTES * 8.0 / 1e6;
    let stalled = clients * STALLED_PART;
    vec![
        grouped(clients),
        format!("{instances:.0}, {} clients each", grouped(clients / instances)),
        format!(
            "{} ({} with one missing)",
            grouped(clients / instances),
            grouped(clients / (instances - 1.0))
        ),
        format!(
            "{} and {}",
            memory(clients * CLIENT_KIB / 1024.0),
            memory(instances * (LOG_MIB + PROCESS_MIB))
        ),
        format!(
            "{} and {}",
            memory(clients * SOCKET_KIB / 1024.0),
            memory(stalled * STALLED_KIB / 1024.0)
        ),
        format!("{:.1} and {:.1}", cores(1.0), cores(10.0)),
        format!("{} and {}", rate(network(1.0)), rate(network(10.0))),
        format!(
            "{} a second, {:.1} cores",
            grouped(clients / RETURN_SECONDS),
            clients / RETURN_SECONDS * CONNECT_MICROS / 1e6
        ),
    ]
}

const ROWS: [&str; 8] = [
    "clients",
    "instances",
    "descriptors per instance: one each",
    "resident memory, all instances: clients, and logs and programs",
    "kernel memory, all instances: sockets, and 1% that stall",
    "cores, all instances: at 1 and at 10 events/s to every client",
    "network, all instances: at 1 and at 10 events/s of 200 B",
    "all come back at once",
];

#[test]
fn the_sums() {
    let (few, many) = (sums(28_000.0), sums(1_000_000.0));
    let mut table = String::from("| | 28,000 | 1,000,000 |\n|---|---|---|\n");
    for (row, name) in ROWS.iter().enumerate().skip(1) {
        writeln!(table, "| {name} | {} | {} |", few[row], many[row]).unwrap();
    }
    let path = file("docs/sizing.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- sums -->\n").unwrap();
    let (now, after) = rest.split_once("<!-- /sums -->").unwrap();
    if std::env::var_os("FANFARE_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}<!-- sums -->\n{table}<!-- /sums -->{after}")).unwrap();
    } else {
        assert_eq!(now, table);
    }
}
