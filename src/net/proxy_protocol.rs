//! The PROXY protocol, versions 1 and 2: the header in which a proxy says whose connection it
//! passes on.
//!
//! Source: "The PROXY protocol, versions 1 & 2" (haproxy.org). The header comes before the first
//! byte of the connection's own protocol. It is read from a bounded buffer; what cannot become a
//! header is told at the first byte that differs, so that a listener that requires one never waits
//! for a peer that speaks another protocol.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest line of version 1, its CRLF included (2.1).
const LINE_BYTES_MAX: usize = 107;
/// Begins every header of version 1 (2.1).
const LINE_BEGINNING: &[u8] = b"PROXY ";
/// Begins every header of version 2 (2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const FIXED_BYTES: usize = 16;
/// Longest header of version 2 that is read. The standard allows 64 KiB; addresses take 216 bytes
/// at most, and the optional parts that proxies send (TLS details, a unique id) some hundreds.
pub(crate) const HEADER_BYTES_MAX: usize = 4096;

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its length in bytes.
    pub(crate) len: usize,
    /// The client's address; `None`: the proxy speaks for itself (a health check), or does not
    /// know.
    pub(crate) source: Option<SocketAddr>,
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHeader {
    #[error("the connection does not begin with a PROXY protocol header")]
    Beginning,
    #[error("a PROXY protocol header of another version or command")]
    Version,
    #[error("a PROXY protocol header without valid addresses")]
    Addresses,
    #[error("a PROXY protocol header of more than {HEADER_BYTES_MAX} bytes")]
    TooLong,
}

/// The header at the beginning of `bytes`; `None`: more bytes are needed.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    if begins(bytes, SIGNATURE) {
        return binary(bytes);
    }
    if begins(bytes, LINE_BEGINNING) {
        return line(bytes);
    }
    Err(BadHeader::Beginning)
}

/// Whether `bytes` begin with `beginning`, as far as there are any.
fn begins(bytes: &[u8], beginning: &[u8]) -> bool {
    let len = bytes.len().min(beginning.len());
    bytes[..len] == beginning[..len]
}

/// Version 1 (2.1).
fn line(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    let beginning = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', beginning) else {
        return match beginning.len() {
            LINE_BYTES_MAX => Err(BadHeader::TooLong),
            _ => Ok(None),
        };
    };
    let line = beginning[..end].strip_suffix(b"\r").ok_or(BadHeader::Addresses)?;
    let line = std::str::from_utf8(&line[LINE_BEGINNING.len()..]).map_err(|_| BadHeader::Addresses)?;
    let source = match line.split_once(' ') {
        // What follows is to be ignored.
        None if line == "UNKNOWN" => None,
        Some(("UNKNOWN", _)) => None,
        Some((family, rest)) => Some(addresses(family, rest).ok_or(BadHeader::Addresses)?),
        None => return Err(BadHeader::Addresses),
    };
    Ok(Some(Header { len: end + 1, source }))
}

/// The source of `SRC DST SPORT DPORT`; all four have to be valid.
fn addresses(family: &str, rest: &str) -> Option<SocketAddr> {
    let mut parts = rest.split(' ');
    let (source, destination) = (ip(family, parts.next()?)?, ip(family, parts.next()?)?);
    let (source_port, destination_port) = (port(parts.next()?)?, port(parts.next()?)?);
    let _ = (destination, destination_port);
    parts.next().is_none().then(|| SocketAddr::new(source, source_port))
}

fn ip(family: &str, text: &str) -> Option<IpAddr> {
    match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    }
}

/// Decimal, without a sign or leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = text == "0" || !text.starts_with('0');
    (is_number && is_plain).then(|| text.parse().ok()).flatten()
}

/// Version 2 (2.2).
fn binary(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    let command = match bytes.get(SIGNATURE.len()) {
        None => return Ok(None),
        Some(0x20) => Command::Local,
        Some(0x21) => Command::Proxy,
        Some(_) => return Err(BadHeader::Version),
    };
    let Some(fixed) = bytes.get(..FIXED_BYTES) else {
        return Ok(None);
    };
    let len = FIXED_BYTES + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if len > HEADER_BYTES_MAX {
        return Err(BadHeader::TooLong);
    }
    let Some(header) = bytes.get(..len) else {
        return Ok(None);
    };
    let source = match command {
        Command::Local => None,
        Command::Proxy => source(fixed[13], &header[FIXED_BYTES..])?,
    };
    Ok(Some(Header { len, source }))
}

#[derive(Debug, Clone, Copy)]
enum Command {
    Local,
    Proxy,
}

/// The source in a header's address block, by family and transport. What follows the addresses
/// (TLVs) is skipped.
fn source(family: u8, block: &[u8]) -> Result<Option<SocketAddr>, BadHeader> {
    let port = |at: usize| Some(u16::from_be_bytes([*block.get(at)?, *block.get(at + 1)?]));
    let source = match family {
        // AF_UNSPEC and AF_UNIX name no address that counts here.
        0x00 | 0x31 => return Ok(None),
        0x11 => {
            let ip = block.first_chunk::<4>().map(|ip| IpAddr::from(*ip));
            ip.zip(port(8)).filter(|_| block.len() >= 12)
        }
        0x21 => {
            let ip = block.first_chunk::<16>().map(|ip| IpAddr::from(*ip));
            ip.zip(port(32)).filter(|_| block.len() >= 36)
        }
        // Datagrams don't come over this listener.
        _ => None,
    };
    let (ip, port) = source.ok_or(BadHeader::Addresses)?;
    Ok(Some(SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let len = u16::try_from(block.len()).expect("a short block");
        [&SIGNATURE[..], &[version_command, family], &len.to_be_bytes(), block].concat()
    }

    fn source_of(bytes: &[u8]) -> Result<Option<SocketAddr>, BadHeader> {
        let header = parse(bytes)?.expect("a whole header");
        assert_eq!(header.len, bytes.len());
        Ok(header.source)
    }

    #[test]
    fn lines() {
        for (line, source) in [
            (
                "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n",
                Some("192.0.2.1:56324"),
            ),
            ("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", Some("[2001:db8::1]:65535")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff:f whatever\r\n", None),
        ] {
            let source = source.map(|source| source.parse().expect("an address"));
            assert_eq!(source_of(line.as_bytes()), Ok(source), "{line:?}");
        }
        for line in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 056324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +5 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n",
            "PROXY TCP4 192.0.2.1  198.51.100.1 5 443\r\n",
            "PROXY TCP4 2001:db8::1 ::1 5 443\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.1 5 443\r\n",
            "PROXY TCP5 192.0.2.1 198.51.100.1 5 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 5 443\n",
            "PROXY TCP4 192.0.2.\u{661} 198.51.100.1 5 443\r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(BadHeader::Addresses), "{line:?}");
        }
        let long = format!("PROXY UNKNOWN {}", "x".repeat(LINE_BYTES_MAX));
        assert_eq!(parse(long.as_bytes()), Err(BadHeader::TooLong));
    }

    #[test]
    fn binary_headers() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 1, 187];
        let v6 = {
            let mut block = [0; 36];
            block[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
            block[15] = 1;
            block[32..34].copy_from_slice(&[0xff, 0xff]);
            block
        };
        let with_tlvs = [&v4[..], &[4, 0, 1, 0]].concat();
        let expected = |text: &str| Ok(Some(text.parse().expect("an address")));
        assert_eq!(source_of(&header(0x21, 0x11, &v4)), expected("192.0.2.1:56324"));
        assert_eq!(source_of(&header(0x21, 0x11, &with_tlvs)), expected("192.0.2.1:56324"));
        assert_eq!(source_of(&header(0x21, 0x21, &v6)), expected("[2001:db8::1]:65535"));
        assert_eq!(source_of(&header(0x20, 0x11, &v4)), Ok(None), "a health check");
        assert_eq!(source_of(&header(0x20, 0x00, &[])), Ok(None));
        assert_eq!(source_of(&header(0x21, 0x00, &[1, 2, 3])), Ok(None));
        assert_eq!(source_of(&header(0x21, 0x31, &[0; 216])), Ok(None), "a Unix socket");
        for (bytes, why) in [
            (header(0x11, 0x11, &v4), BadHeader::Version),
            (header(0x22, 0x11, &v4), BadHeader::Version),
            (header(0x21, 0x11, &v4[..11]), BadHeader::Addresses),
            (header(0x21, 0x21, &v6[..35]), BadHeader::Addresses),
            (header(0x21, 0x12, &v4), BadHeader::Addresses),
            (header(0x21, 0x11, &[0; HEADER_BYTES_MAX]), BadHeader::TooLong),
        ] {
            assert_eq!(parse(&bytes), Err(why), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn other_protocols_are_told_at_once() {
        for bytes in [
            &b"G"[..],
            b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01",
            b"PRI * HTTP/2.0",
            b"\r\n\r\nG",
            b"PROXYa",
        ] {
            assert_eq!(parse(bytes), Err(BadHeader::Beginning), "{}", bytes.escape_ascii());
        }
    }

    proptest::proptest! {
        /// However a header is cut up, nothing is decided before it is whole, and what follows it
        /// does not count.
        #[test]
        fn a_header_is_itself_on_every_cut(
            is_line: bool, ip: [u8; 4], port: u16, tail in proptest::collection::vec(proptest::num::u8::ANY, 0..32),
        ) {
            let source = SocketAddr::from((ip, port));
            let header = match is_line {
                true => format!("PROXY TCP4 {} 127.0.0.1 {port} 80\r\n", source.ip()).into_bytes(),
                false => header(0x21, 0x11, &[&ip[..], &[127, 0, 0, 1], &port.to_be_bytes(), &[0, 80]].concat()),
            };
            for cut in 0..header.len() {
                proptest::prop_assert_eq!(parse(&header[..cut]), Ok(None));
            }
            let whole = [&header[..], &tail].concat();
            proptest::prop_assert_eq!(parse(&whole), Ok(Some(Header { len: header.len(), source: Some(source) })));
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), prefix in 0usize..3) {
            let beginning: &[u8] = [&b""[..], LINE_BEGINNING, SIGNATURE][prefix];
            let _ = parse(&[beginning, &bytes].concat());
        }
    }
}
