//! Delivery: threads that own the clients' sockets and write to them.
//!
//! A shard is a thread with one poll, a slab of clients and no lock. A client is a cursor into its
//! channel's log and a socket, or a stream of an HTTP/2 connection (`sink`); it costs about a
//! hundred bytes here. Publishing wakes a shard
//! once; the shard then offers the same bytes to every client at the head in one pass. A client
//! that could not take everything is left alone until its socket is writable again, and then reads
//! the log on its own, in turns, until it is back at the head.
//!
//! From outside: `shards`. A thread: `shard_thread`, which `ping` asks for a sign of life, over its
//! `intake` (poll and mailbox) and its `shard`. A shard is `clients` with their `timers`,
//! `channels` with the queues of those that have work, and `http2` with the connections that carry
//! several streams. What a turn does with them: `join`, `passes`, `stagger`, `replays`, `looks`,
//! `lag`, `leave`, `expire`, `survey`, `find`; `check` says what holds after it. To another process
//! and from one: `giving` (to a `taker`) and its `standstill`, `given`, `taking`, `adopt`; a client on
//! its way is `carried`. Without a shard, and tested so:
//! `slow_client`, `waiting`, `wheel`, `channel_queue`, `stagger_cursor`, `mailbox`, `batch`.

mod adopt;
mod accounts;
mod audience;
mod batch;
mod carried;
mod caught_up;
mod channel_queue;
mod channels;
#[cfg(debug_assertions)]
mod check;
mod client;
mod clients;
mod clock;
mod compressed_batch;
mod expire;
mod failure;
mod find;
mod follower;
mod framing;
mod given;
#[cfg(test)]
mod given_tests;
mod giving;
#[cfg(test)]
mod handover_tests;
mod http2;
mod intake;
mod join;
mod keys;
mod lag;
mod leave;
mod looks;
mod mailbox;
mod member;
mod new_client;
mod note;
mod passes;
mod ping;
mod replays;
mod report;
mod shard;
mod shard_channel;
mod shard_thread;
mod shards;
mod sink;
mod slow_client;
mod stagger;
mod stagger_cursor;
mod standstill;
mod still_holds;
mod survey;
#[cfg(test)]
mod tests;
mod taker;
mod taking;
mod timers;
mod waiting;
mod wheel;

pub use carried::CarriedClient;
pub use framing::Framing;
pub use given::Given;
pub use http2::{AskedRequest, Gone, Reply, RequestBody, RequestLimits, Requests};
pub(crate) use join::jittered;
pub use new_client::{Joining, NewClient};
pub(crate) use ping::ShardPing;
pub use report::{ClientReport, FoundClient, ShardReport, SourceReport, Whereabouts, keep_slowest};
pub use shards::Shards;
pub use still_holds::StillHolds;
pub use taker::{CARRIED_PER_BATCH, Taker};
pub use taking::{TakeClientError, TakenClients};
