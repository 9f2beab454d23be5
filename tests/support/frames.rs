//! A peer that speaks HTTP/2 frame by frame, and keeps to no rule that it is not told to keep to.

use super::client::connect;
use super::origin::within;
use httlib_hpack::Decoder;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The frame at the beginning of these bytes, and its length with its header; `None`: it is not
    /// whole.
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let len = 9 + u32::from_be_bytes([0, *bytes.first()?, *bytes.get(1)?, *bytes.get(2)?]) as usize;
        let payload = bytes.get(9..len)?.to_vec();
        let frame = Self {
            kind: bytes[3],
            flags: bytes[4],
            stream: u32::from_be_bytes(bytes[5..9].try_into().unwrap()),
            payload,
        };
        Some((frame, len))
    }

    /// The code of a reset or a GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    let mut out = vec![a, b, c, kind, flags];
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// A setting, in a frame of its own.
pub fn setting(name: u16, value: u32) -> Vec<u8> {
    let payload = [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &payload)
}

pub fn window_update(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

/// A header block of literals, which needs no table.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    block_of_bytes(fields)
}

/// Likewise, of names and values that need not be text.
pub fn block_of_bytes(fields: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        let (name, value) = (name.as_ref(), value.as_ref());
        for string in [name, value] {
            // RFC 7541, 5.1.
            match string.len() {
                len @ 0..127 => out.push(len as u8),
                mut len => {
                    out.push(127);
                    len -= 127;
                    while len >= 128 {
                        out.push(len as u8 | 128);
                        len >>= 7;
                    }
                    out.push(len as u8);
                }
            }
            out.extend_from_slice(string);
        }
    }
    out
}

/// The fields of a header block that uses no table, as the relay's.
pub fn fields(block: &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    Decoder::default()
        .decode(&mut block.to_vec(), &mut fields)
        .expect("a header block");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    fields
        .into_iter()
        .map(|(name, value, _)| (text(name), text(value)))
        .collect()
}

/// The fields that a request needs.
pub fn request(method: &str, path: &str) -> Vec<u8> {
    block(&[
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "relay.test"),
    ])
}

/// One connection.
pub struct FramePeer {
    pub io: TcpStream,
    read: Vec<u8>,
}

impl FramePeer {
    /// Nothing has been sent.
    pub async fn connect(address: SocketAddr) -> Self {
        let io = connect(address, Some(4096)).await;
        Self { io, read: Vec::new() }
    }

    /// The preface and settings of both sides are out.
    pub async fn open(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address).await;
        peer.send(PREFACE).await;
        peer.send(&frame(SETTINGS, 0, 0, &[])).await;
        assert_eq!(peer.next().await.unwrap().kind, SETTINGS);
        peer.send(&frame(SETTINGS, ACK, 0, &[])).await;
        while peer.next().await.unwrap().kind != SETTINGS {}
        peer
    }

    /// False: the relay takes no more.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        within("the relay takes bytes", self.io.write_all(bytes)).await.is_ok()
    }

    /// Asks for something.
    pub async fn get(&mut self, stream: u32, path: &str) {
        self.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", path)))
            .await;
    }

    /// The next frame; `None`: the connection has ended.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, len)) = Frame::parse(&self.read) {
                self.read.drain(..len);
                return Some(frame);
            }
            match within("a frame", self.io.read_buf(&mut self.read)).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next frame of this kind; others are passed over.
    pub async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// The body of a stream until it holds this text.
    pub async fn until(&mut self, stream: u32, text: &str) -> String {
        let mut body = String::new();
        while !body.contains(text) {
            let frame = self.next_of(DATA).await.expect("the stream goes on");
            if frame.stream == stream {
                body += std::str::from_utf8(&frame.payload).unwrap();
            }
        }
        body
    }

    /// The code of the GOAWAY with which the relay ends the connection; `None`: it ended without.
    pub async fn failure(&mut self) -> Option<u32> {
        let frame = self.next_of(GOAWAY).await?;
        while self.next().await.is_some() {}
        Some(frame.code())
    }
}
