//! The client swarm: one process, one thread, one epoll loop, thousands of clients.
//!
//! It must cost less than what it measures: a client is a socket, a scanner and a tally; all share
//! one read buffer; a delivery allocates nothing. Each socket's bytes are stamped with one clock
//! reading right after the `read` that brought them: the latency includes the time a socket waited
//! for its turn in this loop, as it would in any client. What that waiting adds is measured apart
//! (`backlog`: from the poll's return to the read), so that a report can say when the swarm was the
//! bottleneck.

pub(crate) mod client;
mod engine;
mod fetch;
mod h2;
pub(crate) mod socket;
pub(crate) mod tls;
pub(crate) mod window;

pub(crate) use engine::run;
