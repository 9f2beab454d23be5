//! What clients speak with a server: HTTP/1.1 or HTTP/2, in clear or over TLS, with or without gzip.

use std::fmt;
use std::str::FromStr;

/// The protocol of all clients of one trial.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) tls: bool,
    /// Streams of an HTTP/2 connection; 0: HTTP/1.1.
    pub(crate) http2_streams: u32,
    /// Whether clients ask for gzip, and the server is set up for it.
    pub(crate) gzip: bool,
}

impl Wire {
    /// HTTP/1.1 in clear: what every server of an event stream speaks.
    pub(crate) const CLEAR: Wire = Wire::of(false, 0);
    /// Those whose costs `edge` compares.
    pub(crate) const ALL: [Wire; 6] = [
        Wire::CLEAR,
        Wire::of(true, 0),
        Wire::of(false, 1),
        Wire::of(false, FULL),
        Wire::of(true, 1),
        Wire::of(true, FULL),
    ];
    /// Those with certificates.
    pub(crate) const ENCRYPTED: [Wire; 2] = [Wire::of(true, 0), Wire::of(true, FULL)];
    /// One HTTP/2 connection for the streams of many tabs.
    pub(crate) const MANY_TABS: Wire = Wire::of(false, FULL);

    const fn of(tls: bool, http2_streams: u32) -> Self {
        Self {
            tls,
            http2_streams,
            gzip: false,
        }
    }

    /// Whether it is HTTP/1.1 in clear, and not compressed.
    pub(crate) fn is_clear(self) -> bool {
        self == Self::CLEAR
    }

    /// The same with one stream on each connection: what further streams are compared with.
    pub(crate) fn with_one_stream(self) -> Self {
        Self {
            http2_streams: self.http2_streams.min(1),
            ..self
        }
    }
}

/// Compressed streams, in the name of a protocol.
const GZIP: &str = "gzip";
/// Streams on a connection in the comparisons: a browser with twenty tabs.
const FULL: u32 = 20;

impl fmt::Display for Wire {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.tls, self.http2_streams) {
            (false, 0) if self.gzip => return out.write_str(GZIP),
            (false, 0) => out.write_str("clear"),
            (true, 0) => out.write_str("tls"),
            (false, streams) => write!(out, "h2c-{streams}"),
            (true, streams) => write!(out, "h2-{streams}"),
        }?;
        match self.gzip {
            true => write!(out, "+{GZIP}"),
            false => Ok(()),
        }
    }
}

impl FromStr for Wire {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let streams = |number: &str| number.parse().ok().filter(|streams| *streams > 0);
        let (protocol, gzip) = match text.strip_suffix(GZIP) {
            Some("") => ("clear", true),
            Some(before) => (before.strip_suffix('+').unwrap_or(text), true),
            None => (text, false),
        };
        let wire = match protocol.split_once('-') {
            None if protocol == "clear" => Some(Wire::CLEAR),
            None if protocol == "tls" => Some(Wire::of(true, 0)),
            Some(("h2c", number)) => streams(number).map(|streams| Wire::of(false, streams)),
            Some(("h2", number)) => streams(number).map(|streams| Wire::of(true, streams)),
            _ => None,
        };
        wire.map(|wire| Wire { gzip, ..wire }).ok_or_else(|| {
            format!(
                "{text:?} is no protocol: use clear, tls, h2c-N (HTTP/2 in clear, N streams on a connection) or h2-N (the same \
                 over TLS); gzip, or +gzip behind one of them, for compressed streams"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_reads_as_it_is_written() {
        for wire in Wire::ALL {
            assert_eq!(wire.to_string().parse(), Ok(wire));
        }
        assert_eq!("h2c-100".parse(), Ok(Wire::of(false, 100)));
        for (text, wire) in [
            ("gzip", Wire::CLEAR),
            ("tls+gzip", Wire::of(true, 0)),
            ("h2-3+gzip", Wire::of(true, 3)),
        ] {
            let wire = Wire { gzip: true, ..wire };
            assert_eq!(text.parse(), Ok(wire));
            assert_eq!(wire.to_string(), text);
        }
        for wrong in [
            "", "h2", "h2-0", "h2-x", "h3-1", "clear-1", "TLS", "+gzip", "tlsgzip", "gzip+tls",
        ] {
            assert!(wrong.parse::<Wire>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn many_streams_are_compared_with_one() {
        assert_eq!(Wire::of(true, 20).with_one_stream(), Wire::of(true, 1));
        assert_eq!(Wire::of(true, 0).with_one_stream(), Wire::of(true, 0));
    }
}
