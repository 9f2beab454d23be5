//! Bytes of HTTP/1.1 requests, cut into what HTTP/2 sends of them.

use crate::support::client::find;
use crate::support::frames::block_of_bytes;

/// A part of a request.
pub(super) enum Part {
    Head {
        block: Vec<u8>,
        is_head: bool,
        /// Nothing follows.
        ends: bool,
    },
    Data(Vec<u8>),
    /// The end, with the block of its trailers.
    End(Option<Vec<u8>>),
}

#[derive(Default)]
enum Within {
    #[default]
    Head,
    Length(usize),
    Size,
    Chunk(usize),
    Trailers,
}

#[derive(Default)]
pub(super) struct Requests {
    bytes: Vec<u8>,
    within: Within,
    again: Option<Part>,
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

impl Requests {
    pub(super) fn input(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn put_back(&mut self, part: Part) {
        self.again = Some(part);
    }

    /// The next part that has come in whole.
    pub(super) fn next(&mut self, may_begin: bool) -> Option<Part> {
        if let Some(part) = self.again.take() {
            return Some(part);
        }
        match self.within {
            Within::Head if may_begin => self.head(),
            Within::Head => None,
            Within::Length(0) => {
                self.within = Within::Head;
                Some(Part::End(None))
            }
            Within::Length(left) => {
                let piece = self.take_up_to(left)?;
                self.within = Within::Length(left - piece.len());
                Some(Part::Data(piece))
            }
            Within::Chunk(0) => {
                self.line()?;
                self.within = Within::Size;
                self.next(may_begin)
            }
            Within::Chunk(left) => {
                let piece = self.take_up_to(left)?;
                self.within = Within::Chunk(left - piece.len());
                Some(Part::Data(piece))
            }
            Within::Size => {
                let line = self.line()?;
                let digits = line.split(|&byte| byte == b';').next().unwrap();
                let size = usize::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
                self.within = if size == 0 {
                    Within::Trailers
                } else {
                    Within::Chunk(size)
                };
                self.next(may_begin)
            }
            Within::Trailers => self.trailers(),
        }
    }

    fn trailers(&mut self) -> Option<Part> {
        let end = match self.bytes.starts_with(b"\r\n") {
            true => 2,
            false => find(&self.bytes, b"\r\n\r\n")? + 4,
        };
        let lines: Vec<u8> = self.bytes.drain(..end).collect();
        self.within = Within::Head;
        let fields = fields(&lines);
        Some(Part::End((!fields.is_empty()).then(|| block_of_bytes(&fields))))
    }

    fn head(&mut self) -> Option<Part> {
        let end = find(&self.bytes, b"\r\n\r\n")? + 4;
        let head: Vec<u8> = self.bytes.drain(..end).collect();
        let line_end = find(&head, b"\r\n")?;
        let (line, mut fields) = (&head[..line_end], fields(&head[line_end + 2..]));
        let first = memchr::memchr(b' ', line).unwrap_or(line.len());
        let last = memchr::memrchr(b' ', line)
            .filter(|&last| last > first)
            .unwrap_or(first);
        let method = line[..first].to_vec();
        let target = line.get(first + 1..last).unwrap_or_default().to_vec();

        let (is_chunked, length) = framing(&fields);
        fields.retain(|(name, value)| match &name[..] {
            b"connection" | b"keep-alive" | b"proxy-connection" | b"upgrade" => false,
            b"transfer-encoding" => !is_chunked,
            b"te" => value.eq_ignore_ascii_case(b"trailers"),
            _ => true,
        });
        let (authority, path) = target_of(&mut fields, target);
        let mut all: Fields = vec![
            (b":method".to_vec(), method.clone()),
            (b":scheme".to_vec(), b"http".to_vec()),
        ];
        all.extend(authority.map(|authority| (b":authority".to_vec(), authority)));
        all.push((b":path".to_vec(), path));
        all.append(&mut fields);
        self.within = match (is_chunked, length) {
            (true, _) => Within::Size,
            (false, Some(length @ 1..)) => Within::Length(length),
            _ => Within::Head,
        };
        Some(Part::Head {
            block: block_of_bytes(&all),
            is_head: method == b"HEAD",
            ends: matches!(self.within, Within::Head),
        })
    }

    fn take_up_to(&mut self, most: usize) -> Option<Vec<u8>> {
        let len = most.min(self.bytes.len());
        (len > 0).then(|| self.bytes.drain(..len).collect())
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let end = find(&self.bytes, b"\r\n")?;
        Some(self.bytes.drain(..end + 2).take(end).collect())
    }
}

/// Whether a body comes in chunks, or its length. What says both, or neither well, says nothing.
fn framing(fields: &Fields) -> (bool, Option<usize>) {
    let all = |wanted: &[u8]| {
        fields
            .iter()
            .filter(|field| field.0 == wanted)
            .map(|field| &field.1[..])
            .collect()
    };
    let (codings, lengths): (Vec<&[u8]>, Vec<&[u8]>) = (all(b"transfer-encoding"), all(b"content-length"));
    match (&codings[..], &lengths[..]) {
        ([b"chunked"], []) => (true, None),
        ([], [length]) => (
            false,
            std::str::from_utf8(length).ok().and_then(|length| length.parse().ok()),
        ),
        _ => (false, None),
    }
}

/// Authority and path. A target's host goes before the one of the header; several hosts stay.
fn target_of(fields: &mut Fields, target: Vec<u8>) -> (Option<Vec<u8>>, Vec<u8>) {
    let hosts = fields.iter().filter(|field| field.0 == b"host").count();
    let mut named = None;
    if hosts == 1 {
        let at = fields.iter().position(|field| field.0 == b"host").unwrap();
        named = Some(fields.remove(at).1);
    }
    match target.strip_prefix(b"http://") {
        Some(rest) => {
            let slash = memchr::memchr(b'/', rest).unwrap_or(rest.len());
            (Some(rest[..slash].to_vec()), rest[slash..].to_vec())
        }
        None => (named, target),
    }
}

/// Lines as fields, with names in lower case, and otherwise as they are.
fn fields(lines: &[u8]) -> Fields {
    let mut rest = lines;
    let mut fields = Vec::new();
    while let Some(end) = find(rest, b"\r\n") {
        let (line, behind) = (&rest[..end], &rest[end + 2..]);
        rest = behind;
        if line.is_empty() {
            continue;
        }
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let value = line.get(colon + 1..).unwrap_or_default();
        let from = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
        let to = value.iter().rposition(|byte| !blank(byte)).map_or(from, |at| at + 1);
        fields.push((line[..colon].to_ascii_lowercase(), value[from..to].to_vec()));
    }
    fields
}
