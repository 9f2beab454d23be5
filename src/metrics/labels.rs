//! The label values of the metrics that have a closed set of them.
//!
//! Each set is an enum whose order is the order of the counters in a handle's array:
//! `counters[reason.index()]`.

/// Declares an enum together with its labels, so that neither can miss a variant of the other.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every variant, in the order of the handles.
            pub const ALL: [Self; [$($label),+].len()] = [$(Self::$variant),+];

            /// The label's value, in metrics, logs and `/status`.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }

            /// The place in [`Self::ALL`], and in an array of handles.
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

labels! {
    /// Why a client's stream ended: the `reason` of `fanfare_connections_closed_total`.
    CloseReason {
        /// The client closed in order.
        Client = "client",
        /// The connection was reset, or failed otherwise.
        Error = "error",
        /// The slow-client policy.
        Evicted = "evicted",
        /// The process is leaving.
        Drained = "drained",
        /// `max_age`.
        MaxAge = "max_age",
        /// The stream ended for good.
        Ended = "ended",
        /// What let the client in has expired, or has been taken away.
        Expired = "expired",
        /// Its source is gone from the configuration.
        Removed = "removed",
        /// Another process has its connection now: the stream goes on there.
        HandedOver = "handed_over",
    }
}

labels! {
    /// Why a client was evicted: the `reason` of `fanfare_evictions_total`.
    EvictReason {
        /// Lag in events.
        Events = "events",
        /// Lag in bytes.
        Bytes = "bytes",
        /// No progress for `stall`.
        Stall = "stall",
        /// The upstream stood still for it longer than `pause_max`.
        Pause = "pause",
        /// The log let go what the client still needed.
        Log = "log",
    }
}

labels! {
    /// Why events can't be delivered: the `reason` of gap events and of `fanfare_gaps_total`.
    GapReason {
        /// The last event ID is not one that the log knows.
        UnknownId = "unknown_id",
        /// The log knew it, and has let go what follows.
        Evicted = "evicted",
        /// The origin gave the relay no way to resume.
        UpstreamReconnected = "upstream_reconnected",
        /// An event over the limit was dropped.
        OversizedEvent = "oversized_event",
        /// The slow-client policy `skip`; or the leader of a shared log could keep no more while the
        /// log was away.
        Skipped = "skipped",
        /// A log that instances share has come back with less than it had.
        LogLost = "log_lost",
    }
}

labels! {
    /// How a client speaks: the `protocol` of `fanfare_clients`.
    Protocol {
        /// HTTP/1.0: no chunks.
        Http10 = "http/1.0",
        /// HTTP/1.1.
        Http11 = "http/1.1",
        /// HTTP/2: several streams on one connection.
        Http2 = "http/2",
    }
}

labels! {
    /// Why a request was refused: the `reason` of `fanfare_refused_total`.
    RefuseReason {
        /// `limits.clients`.
        Clients = "clients",
        /// `limits.clients_per_ip`.
        ClientsPerIp = "clients_per_ip",
        /// `limits.clients_per_user`.
        ClientsPerUser = "clients_per_user",
        /// `limits.accepts_per_second`.
        Rate = "rate",
        /// No descriptor left.
        Descriptors = "descriptors",
        /// Proxied requests at one time.
        ProxiedRequests = "passes",
        /// `limits.handshakes`.
        Handshakes = "handshakes",
        /// The process is leaving.
        Draining = "draining",
        /// `limits.channels`.
        Channels = "channels",
        /// `filters` of a source.
        Filters = "filters",
        /// The log that instances share is not known yet.
        Log = "log",
        /// 404.
        NotFound = "not_found",
        /// 405.
        Method = "method",
        /// 406.
        NotAcceptable = "not_acceptable",
        /// 400, 414 and 431.
        BadRequest = "bad_request",
        /// No request head within `limits.header_timeout`.
        HeaderTimeout = "header_timeout",
        /// The origin's own answer (401, 403, 404, 410); for a request that is passed, that there
        /// is none.
        Origin = "origin",
    }
}

labels! {
    /// Why a request was not let in: the `reason` of `fanfare_access_denied_total`. The client is not
    /// told.
    DenyReason {
        /// It brings no credentials.
        Missing = "missing",
        /// An unknown user, token or signature, or none that can be read.
        Invalid = "invalid",
        /// They were good once.
        Expired = "expired",
        /// They will be good later.
        NotYet = "not_yet",
        /// They name a key that is not known.
        UnknownKey = "unknown_key",
        /// A token that someone else made, or for someone else.
        Audience = "audience",
        /// They are good, and not good enough.
        Insufficient = "insufficient",
        /// There are no keys to verify them with yet.
        NoKeys = "no_keys",
        /// The origin that is asked gives no answer.
        NoAnswer = "no_answer",
        /// Too many others are being checked.
        Busy = "busy",
    }
}

labels! {
    /// What became of a TLS handshake: the `outcome` of `fanfare_tls_handshakes_total`.
    HandshakeOutcome {
        /// A whole handshake.
        Completed = "completed",
        /// One that went on with a session of before.
        Resumed = "resumed",
        /// It was not over within `handshake_timeout`, or had to make room.
        Timeout = "timeout",
        /// The client closed the connection within it.
        Closed = "closed",
        /// The client does not accept the certificate: expired, for another name, of an unknown
        /// authority.
        CertificateRefused = "certificate_refused",
        /// The client's certificate is missing, or is not one of `client_ca`'s.
        ClientCertificate = "client_certificate",
        /// No version, cipher or protocol in common.
        Incompatible = "incompatible",
        /// What came is no TLS: mostly HTTP in clear text.
        NotTls = "not_tls",
        /// Anything else.
        Failed = "failed",
    }
}

labels! {
    /// What became of a reload: the `outcome` of `fanfare_config_reloads_total`.
    ReloadOutcome {
        /// It is in force.
        Applied = "applied",
        /// Nothing had changed.
        Unchanged = "unchanged",
        /// It has mistakes: what was in force stays.
        Rejected = "rejected",
    }
}

labels! {
    /// What became of clients at an upgrade, or of the upgrade: the `outcome` of
    /// `fanfare_handed_over_total`.
    HandOverOutcome {
        /// Its stream goes on in this process.
        HandedOver = "handed_over",
        /// It had to stay with the process before, and left that in order.
        Drained = "drained",
        /// It stayed there, and was cut.
        Cut = "cut",
        /// An upgrade that came to nothing: this process serves on.
        Failed = "failed",
    }
}

labels! {
    /// What there may be only so many of: the `limit` of `fanfare_limit`.
    Limit {
        /// Clients at one time: `limits.clients`, or as many as there are descriptors for.
        Clients = "clients",
        /// Channels of templated sources: `limits.channels`.
        Channels = "channels",
        /// Open files of the process.
        Descriptors = "descriptors",
        /// Bytes of memory that the process can have: the machine's, or its control group's.
        Memory = "memory",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn distinct(labels: Vec<&'static str>) {
        let set: HashSet<_> = labels.iter().collect();
        assert_eq!(set.len(), labels.len(), "{labels:?}");
    }

    #[test]
    fn indexes_follow_all() {
        macro_rules! check {
            ($($name:ident),+) => {$(
                for (index, value) in $name::ALL.into_iter().enumerate() {
                    assert_eq!(value.index(), index);
                }
                distinct($name::ALL.map($name::label).to_vec());
            )+};
        }
        check!(
            CloseReason,
            DenyReason,
            EvictReason,
            GapReason,
            HandOverOutcome,
            HandshakeOutcome,
            Limit,
            Protocol,
            RefuseReason,
            ReloadOutcome
        );
    }

    /// These six go out on the wire too.
    #[test]
    fn gap_reasons_are_those_of_the_gap_event() {
        assert_eq!(
            GapReason::ALL.map(GapReason::label),
            [
                "unknown_id",
                "evicted",
                "upstream_reconnected",
                "oversized_event",
                "skipped",
                "log_lost"
            ]
        );
    }
}
