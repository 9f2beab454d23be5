//! Which room of `src` may import which.

/// A room, and the rooms that it may import. All of those stand above it in the list, so no imports
/// run in a circle.
pub(crate) type Room = (&'static str, &'static str);

/// The rooms, from the ones that know nothing of the others to the program.
pub(crate) const ROOMS: &[Room] = &[
    // What several rooms use.
    ("timestamp", ""),
    ("error", ""),
    ("signals", ""),
    ("service_manager", ""),
    ("critical", ""),
    ("wake_up_batching", ""),
    ("access_log", ""),
    ("sync", ""),
    ("telemetry", "timestamp"),
    ("redaction", ""),
    ("path", ""),
    ("certificate", ""),
    ("config", "redaction path certificate"),
    ("metrics", "telemetry"),
    ("quotas", "sync config metrics"),
    ("net", "certificate config metrics quotas"),
    ("h2", ""),
    // An event's way.
    ("event_stream", ""),
    ("gzip", ""),
    ("log", "sync config metrics gzip"),
    ("channel", "sync path config metrics event_stream gzip log"),
    ("kept", "critical sync config metrics log channel"),
    ("upstream", "wake_up_batching redaction config metrics event_stream"),
    ("fleet", "sync config metrics event_stream log channel upstream"),
    (
        "source",
        "critical sync path config metrics quotas event_stream log channel kept upstream fleet",
    ),
    (
        "delivery",
        "critical sync access_log config metrics quotas net h2 gzip log channel",
    ),
    // A client's way.
    ("access", "redaction path config metrics quotas upstream"),
    ("proxy", "path config metrics quotas upstream"),
    (
        "http",
        "timestamp access_log path config metrics quotas net h2 event_stream log channel source delivery access proxy",
    ),
    // The process around them.
    // What two processes say to each other at an upgrade; it knows nothing of what is handed over.
    ("handover", ""),
    ("status", "timestamp metrics"),
    ("auxiliary_http", "quotas net http"),
    ("admin", "metrics quotas net access http auxiliary_http status"),
    (
        "relay",
        "timestamp critical access_log config metrics quotas net log channel kept upstream fleet source delivery access proxy http handover status admin",
    ),
    // Clients, for the demo and the load harness; it reads streams by itself.
    ("crowd", ""),
    ("demo", "timestamp net http auxiliary_http crowd"),
    (
        "cli",
        "timestamp error service_manager telemetry redaction config metrics quotas event_stream upstream access handover relay crowd demo",
    ),
    ("main", "error signals service_manager telemetry config relay demo cli"),
];

/// The rooms that may know how a configuration file is written, and how mistakes in it are told.
/// All others get what it says in its ready form: `config::Config`, `config::Source` and the like.
pub(crate) const FORMAT_ROOMS: &str = "config cli main";

/// What `config` offers about files: to read and print them, mistakes with their places, the
/// schema, the table of keys.
pub(crate) const FORMAT: &str = "Diagnostic Diagnostics Loaded Machine Place Reading Severity json_schema key_table load load_from print read read_again";

/// The room of the parser, and all that it may take from other crates: no I/O, no clock, no
/// runtime.
pub(crate) const PARSER: (&str, &str) = (
    "event_stream",
    "bytes memchr std::array std::borrow std::iter std::mem std::ops std::time::Duration u8 u32 u64",
);

/// Rooms in which files import each other, and why: none. A circle that is no more has to leave the
/// list.
pub(crate) const CIRCLES: &[(&str, &str)] = &[];

/// Whether a list names this word.
pub(crate) fn names(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|listed| listed == word)
}
