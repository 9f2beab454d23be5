//! The checked configuration: what an operator wrote, in the form that the rest of the program
//! uses.
//!
//! A file becomes a tree whose nodes know their places (`yaml`, `node`), the tree is read as a
//! whole by the table of keys (`table`, and the sections that are declared with it), and every
//! mistake is reported at once. Nothing outside this folder knows the file's format, and nothing
//! here knows what the values are used for.
//!
//! A key is written down once: as a field of its section's struct, in the file that declares the
//! section.

mod access;
mod addresses;
mod around;
mod codec;
mod combine;
mod cors;
mod credentials;
mod diagnostics;
mod effect;
mod emit;
mod end_rules;
mod field;
mod files;
mod fleet;
mod handover;
mod headers;
mod heartbeat;
mod interpolate;
mod item;
mod judge;
mod legacy;
mod listener;
mod listener_tls;
mod load;
mod machine;
mod memory;
mod named_files;
mod node;
mod own_address;
mod pass;
mod paths;
mod process;
mod root;
mod schema;
mod secret;
mod shape;
mod source;
mod stream;
mod table;
mod units;
mod upstream;
mod url;
mod wording;
mod yaml;

#[cfg(test)]
mod table_tests;

// The ready form: what the rest of the program reads.
pub use access::{
    Access, AskAccess, BasicAccess, BearerAccess, JwtAccess, JwtAlgorithm, JwtKey, NamedSecret, NamedSecrets,
    PasswordHash, SignedAccess, read_signing_keys,
};
pub use addresses::{ADMIN, LISTEN, Listen, Network, parse_listen};
pub use combine::{Combine, JOINED_CHANNELS_MAX};
pub use cors::Cors;
pub use credentials::Credentials;
pub use end_rules::EndWhen;
pub use files::UpstreamTls;
pub use fleet::{Fleet, FleetPassword, FleetTls, WhenAway};
pub use heartbeat::Heartbeat;
pub use listener::ClientListener;
pub use listener_tls::{Alpn, CertificateFiles, ListenerTls, TlsVersion};
pub use named_files::{Content, NamedFiles};
pub use pass::Pass;
pub use process::{Drain, Limits};
pub use root::{Config, Reload};
pub use secret::Secret;
pub use source::{Compress, Forward, Ids, Refuse, Source, Start};
pub use stream::{KeptLog, LogLimits, SlowClient, SlowPolicy, Sync};
pub use units::parse_duration;
pub use upstream::{Target, Upstream};

// The file: for the command line alone (`tests/layers/` holds that).
pub use diagnostics::{Diagnostic, Diagnostics, Place, Severity};
pub use effect::Effect;
pub use handover::handover;
pub use load::{Loaded, Reading, load, load_from, print, read, read_again};
pub use machine::Machine;
pub use schema::{json_schema, key_table};
