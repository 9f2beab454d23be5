//! `crowd`: the process of the demo's clients. It talks to the demo over its standard input and
//! output, and ends with it.

use crate::crowd::{self, Order};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use serde::Serialize;
use std::io::{self, BufRead as _, Write as _};
use std::sync::mpsc::{Sender, channel};

/// The name of the command, which is no user's.
pub(super) const COMMAND: &str = "crowd";

/// Runs a crowd until standard input ends: first the setup, then orders, a line of JSON each.
pub fn crowd() -> io::Result<()> {
    // A killed demo can't end it otherwise before it notices its closed input.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    raise_descriptor_limit();
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let setup = serde_json::from_str(&line)?;
    let (orders, taken) = channel();
    std::thread::Builder::new()
        .name("orders".to_owned())
        .spawn(move || read(&orders))?;
    crowd::run(setup, &taken, say).map(|_finished| ())
}

/// A client is a descriptor. As many as are allowed may be open; the demo has counted them.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Up to the hard bound is always allowed.
    let _ = setrlimit(Resource::Nofile, wanted);
}

/// Takes in orders until standard input ends, or holds what is none: both end the crowd.
fn read(orders: &Sender<Order>) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let Ok(order) = serde_json::from_str(&line) else { return };
        if orders.send(order).is_err() {
            return;
        }
    }
}

/// One line. A demo that is gone is noticed at standard input.
fn say(value: &impl Serialize) {
    let Ok(mut line) = serde_json::to_vec(value) else {
        return;
    };
    line.push(b'\n');
    let mut out = io::stdout().lock();
    let _ = out.write_all(&line).and_then(|()| out.flush());
}
