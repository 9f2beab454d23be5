//! Load tests for servers of server-sent events.
//!
//! The driver (`driver`) starts a source of events (`source`: the origin or the floor), a server
//! under test, and the processes of the swarm (`swarm`), which all speak with it over their pipes
//! (`control`). What comes of it goes to `report`. Modules that other programs can use are public:
//! reading stamped events out of any response.

pub mod stamp;

pub use fanfare::crowd::{head, scan, tally};

use fanfare::crowd::clock;

mod cli;
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
