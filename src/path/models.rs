//! How three kinds of origin read a request's path: plain models of what their sources do, to
//! compare with.
//!
//! Each returns the decoded path that it looks up; `None`: it refuses the request. Where a setting
//! decides, the model has the lenient one.

use percent_encoding::percent_decode;

/// nginx: decodes as it reads, and what was decoded separates and climbs too
/// (`ngx_http_parse_complex_uri`); empty segments are merged (`merge_slashes on`), `;` is a
/// character like others.
pub(crate) fn nginx(path: &str) -> Option<Vec<u8>> {
    let decoded = strictly_decoded(path.as_bytes())?;
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut ends_in_slash = true;
    for segment in decoded.split(|byte| *byte == b'/').skip(1) {
        ends_in_slash = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()?),
            name => kept.push(name),
        }
    }
    Some(joined(&kept, ends_in_slash))
}

/// Tomcat (`CoyoteAdapter`): parameters cut first, then decoded, `\` and `%2F` as separators where
/// a setting allows them, then empty and dot segments resolved.
pub(crate) fn tomcat(path: &str) -> Option<Vec<u8>> {
    let names: Vec<&str> = path
        .split('/')
        .map(|segment| segment.split(';').next().unwrap_or_default())
        .collect();
    let mut decoded = strictly_decoded(names.join("/").as_bytes())?;
    for byte in &mut decoded {
        if *byte == b'\\' {
            *byte = b'/';
        }
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut ends_in_slash = true;
    for segment in decoded.split(|byte| *byte == b'/').skip(1) {
        ends_in_slash = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()?),
            name => kept.push(name),
        }
    }
    Some(joined(&kept, ends_in_slash))
}

/// Node: `new URL(request.url, base).pathname` (URL standard, 4.4), decoded as a file server does.
/// Two slashes at the beginning are a host's, `\` is a slash, encoded dots are dots, empty segments
/// count.
pub(crate) fn node(path: &str) -> Option<Vec<u8>> {
    let mut path = path.replace('\\', "/");
    if path.starts_with("//") {
        let rest = path.trim_start_matches('/');
        path = rest.find('/').map_or("/", |at| &rest[at..]).to_owned();
    }
    let dots = |segment: &str| segment.to_ascii_lowercase().replace("%2e", ".");
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let mut kept: Vec<&str> = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match dots(segment).as_str() {
            ".." => drop(kept.pop()),
            "." => {}
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    Some(percent_decode(format!("/{}", kept.join("/")).as_bytes()).collect())
}

fn strictly_decoded(path: &[u8]) -> Option<Vec<u8>> {
    let mut pieces = path.split(|byte| *byte == b'%');
    pieces.next();
    let well_formed = pieces.all(|piece| piece.len() >= 2 && piece[..2].iter().all(u8::is_ascii_hexdigit));
    let decoded: Vec<u8> = percent_decode(path).collect();
    (well_formed && !decoded.contains(&0)).then_some(decoded)
}

fn joined(segments: &[&[u8]], ends_in_slash: bool) -> Vec<u8> {
    let mut path = Vec::new();
    for segment in segments {
        path.push(b'/');
        path.extend_from_slice(segment);
    }
    if ends_in_slash {
        path.push(b'/');
    }
    path
}
