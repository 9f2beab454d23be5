//! The relay in front of a whole origin: what passes, how it passes, and what is rewritten on the
//! way.

mod bodies;
mod connections;
mod framing;
mod front;
mod half_closed;
mod heads;
mod leaving;
mod paths;
mod quotas;
mod rewriting;
mod rounds;
mod smuggling;
mod trouble;
mod upgrades;
