//! Load tests for servers of server-sent events.
//!
//! The driver (`driver`) starts a source of events (`source`: the origin or the floor), a server
//! under test, and the processes of the swarm (`swarm`), which all speak with it over their pipes
//! (`control`). What comes of it goes to `report`. Modules that other programs can use are public:
//! reading stamped events out of any response.

pub mod head;
pub mod scan;
pub mod stamp;
pub mod tally;

mod cli;
mod clock;
mod control;
mod display;
mod driver;
mod machine;
mod proc;
mod program;
mod rate;
mod report;
mod source;
mod swarm;
mod target;
mod threshold;
mod timer;
mod units;

pub use program::main;
