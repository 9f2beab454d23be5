//! HTTP/1.1 for a story that writes and reads bytes, HTTP/2 for the relay, frame by frame.
//!
//! Unlike `client/http2.rs` it knows bodies, interim answers, trailers and requests in a row, and it
//! repairs nothing: what a story writes goes out as the fields that it makes, so that what is no
//! request over HTTP/1.1 is none over HTTP/2 either. A stream that is reset for a protocol error
//! before its answer reads as a 400.
//!
//! Left out are the fields of an HTTP/1.1 connection, which HTTP/2 has no place for.

mod request;

use self::request::{Part, Requests};
use super::client::Io;
use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, window_update,
};
use httlib_hpack::Decoder;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, ReadHalf, WriteHalf,
};
use tokio::net::TcpStream;

/// What is on its way between the story and the frames, in each direction.
const BETWEEN_BYTES: usize = 16 * 1024;
/// What of a story's bytes waits for windows.
const WAITING_BYTES_MAX: usize = 64 * 1024;
/// A frame's payload, and a window before settings (RFC 9113, 4.2 and 6.9.2).
const FRAME_BYTES_MAX: usize = 16_384;
const WINDOW_DEFAULT: i64 = 65_535;
const PROTOCOL_ERROR: u32 = 1;
const CANCEL: u32 = 8;

/// A story's side of a connection over which HTTP/2 is spoken.
pub fn spoken(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Spoken {
    let (ours, theirs) = tokio::io::duplex(BETWEEN_BYTES);
    let has_finished = Arc::new(AtomicBool::new(false));
    let session = Session::new(theirs, has_finished.clone());
    // Whatever fails ends the story's connection.
    tokio::spawn(session.run(io));
    Spoken { io: ours, has_finished }
}

pub struct Spoken {
    io: DuplexStream,
    /// The story sends no more, and still reads.
    has_finished: Arc<AtomicBool>,
}

impl Io for Spoken {
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }
}

impl AsyncRead for Spoken {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl AsyncWrite for Spoken {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.has_finished.store(true, Ordering::SeqCst);
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The stream of the request that is being answered.
struct Asked {
    id: u32,
    window: i64,
    is_head: bool,
    /// All of the request has been sent.
    is_whole: bool,
    has_head: bool,
    is_chunked: bool,
}

struct Session {
    story: (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>),
    has_finished: Arc<AtomicBool>,
    requests: Requests,
    /// A body's bytes that wait for a window.
    body: Vec<u8>,
    /// What came of the relay and is no whole frame; and what goes to it.
    read: Vec<u8>,
    unsent: Vec<u8>,
    /// What goes to the story, and how much of it was data, whose window is given back then.
    untold: Vec<u8>,
    untold_data: u32,
    decoder: Decoder<'static>,
    block: Vec<u8>,
    window: i64,
    window_of_streams: i64,
    next_id: u32,
    asked: Option<Asked>,
    /// The story has sent everything.
    is_told_all: bool,
    /// Nothing more comes for the story.
    is_over: bool,
}

impl Session {
    fn new(story: DuplexStream, has_finished: Arc<AtomicBool>) -> Self {
        Self {
            story: tokio::io::split(story),
            has_finished,
            requests: Requests::default(),
            body: Vec::new(),
            read: Vec::new(),
            unsent: [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat(),
            untold: Vec::new(),
            untold_data: 0,
            decoder: Decoder::default(),
            block: Vec::new(),
            window: WINDOW_DEFAULT,
            window_of_streams: WINDOW_DEFAULT,
            next_id: 1,
            asked: None,
            is_told_all: false,
            is_over: false,
        }
    }

    async fn run(mut self, io: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let (mut from_relay, mut to_relay) = tokio::io::split(io);
        while !self.is_over || !self.untold.is_empty() {
            let takes_more = !self.is_told_all && !self.is_over && self.body.len() < WAITING_BYTES_MAX;
            tokio::select! {
                read = self.story.0.read_buf(self.requests.input()), if takes_more => {
                    if read? == 0 {
                        self.is_told_all = true;
                        if !self.has_finished.load(Ordering::SeqCst) {
                            return self.left(&mut to_relay).await;
                        }
                    }
                }
                read = from_relay.read_buf(&mut self.read), if !self.is_over => {
                    self.is_over = read? == 0;
                }
                written = to_relay.write(&self.unsent), if !self.unsent.is_empty() => {
                    self.unsent.drain(..written?);
                    to_relay.flush().await?;
                }
                written = self.story.1.write(&self.untold), if !self.untold.is_empty() => {
                    self.untold.drain(..written?);
                }
            }
            self.give_back();
            self.take_frames();
            self.send_requests();
        }
        // One that sends on learns of it when it reads.
        self.story.1.shutdown().await?;
        tokio::io::copy(&mut self.story.0, &mut tokio::io::sink())
            .await
            .map(drop)
    }

    /// The story has dropped its client.
    async fn left(&mut self, to_relay: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        if let Some(asked) = &self.asked {
            let reset = frame(RST_STREAM, 0, asked.id, &CANCEL.to_be_bytes());
            self.unsent.extend(reset);
        }
        to_relay.write_all(&self.unsent).await?;
        to_relay.shutdown().await
    }

    fn give_back(&mut self) {
        if self.untold.is_empty() && self.untold_data > 0 {
            let taken = std::mem::take(&mut self.untold_data);
            self.unsent.extend(window_update(0, taken));
            if let Some(asked) = &self.asked {
                self.unsent.extend(window_update(asked.id, taken));
            }
        }
    }

    /// Makes frames of what the story has sent, one request after the other's answer.
    fn send_requests(&mut self) {
        loop {
            self.send_body();
            let may_begin = self.asked.is_none() && !self.is_over;
            let Some(part) = self.requests.next(may_begin) else {
                return;
            };
            match (part, &mut self.asked) {
                (Part::Head { block, is_head, ends }, _) => {
                    let id = self.next_id;
                    self.next_id += 2;
                    let end = if ends { END_STREAM } else { 0 };
                    self.unsent.extend(frame(HEADERS, END_HEADERS | end, id, &block));
                    self.asked = Some(Asked {
                        id,
                        window: self.window_of_streams,
                        is_head,
                        is_whole: ends,
                        has_head: false,
                        is_chunked: false,
                    });
                }
                (Part::Data(bytes), Some(_)) => self.body.extend(bytes),
                (Part::End(trailers), Some(asked)) if self.body.is_empty() => {
                    asked.is_whole = true;
                    self.unsent.extend(match trailers {
                        Some(block) => frame(HEADERS, END_HEADERS | END_STREAM, asked.id, &block),
                        None => frame(DATA, END_STREAM, asked.id, &[]),
                    });
                }
                (part @ Part::End(_), Some(_)) => return self.requests.put_back(part),
                // Of a request that has been answered.
                (Part::Data(_) | Part::End(_), None) => {}
            }
        }
    }

    fn send_body(&mut self) {
        let Some(asked) = &mut self.asked else {
            return self.body.clear();
        };
        loop {
            let room = self.window.min(asked.window).max(0) as usize;
            let len = self.body.len().min(room).min(FRAME_BYTES_MAX);
            if len == 0 {
                return;
            }
            let piece: Vec<u8> = self.body.drain(..len).collect();
            self.unsent.extend(frame(DATA, 0, asked.id, &piece));
            self.window -= len as i64;
            asked.window -= len as i64;
        }
    }

    fn take_frames(&mut self) {
        while let Some((frame, len)) = Frame::parse(&self.read) {
            self.read.drain(..len);
            self.take(frame);
        }
    }

    fn take(&mut self, taken: Frame) {
        match taken.kind {
            SETTINGS if taken.flags & ACK == 0 => {
                for setting in taken.payload.chunks(6) {
                    // RFC 9113, 6.5.2: the window of new streams.
                    if setting[..2] == [0, 4] {
                        self.window_of_streams = u32::from_be_bytes(setting[2..].try_into().unwrap()).into();
                    }
                }
                self.unsent.extend(frame(SETTINGS, ACK, 0, &[]));
            }
            PING if taken.flags & ACK == 0 => self.unsent.extend(frame(PING, ACK, 0, &taken.payload)),
            WINDOW_UPDATE => {
                let more = i64::from(taken.code());
                match &mut self.asked {
                    _ if taken.stream == 0 => self.window += more,
                    Some(asked) if asked.id == taken.stream => asked.window += more,
                    _ => {}
                }
            }
            HEADERS | CONTINUATION => {
                self.block.extend(&taken.payload);
                if taken.flags & END_HEADERS != 0 {
                    let mut fields = Vec::new();
                    let mut block = std::mem::take(&mut self.block);
                    self.decoder.decode(&mut block, &mut fields).expect("a header block");
                    self.head(taken.stream, fields);
                }
                if taken.flags & END_STREAM != 0 {
                    self.ended(taken.stream);
                }
            }
            DATA => {
                self.data(taken.stream, &taken.payload);
                if taken.flags & END_STREAM != 0 {
                    self.ended(taken.stream);
                }
            }
            RST_STREAM => self.reset(taken.stream, taken.code()),
            GOAWAY if taken.code() != 0 && self.asked.is_none() => self.is_over = true,
            _ => {}
        }
    }

    fn asked(&mut self, stream: u32) -> Option<&mut Asked> {
        self.asked.as_mut().filter(|asked| asked.id == stream)
    }

    fn head(&mut self, stream: u32, fields: Vec<(Vec<u8>, Vec<u8>, u8)>) {
        let Some(asked) = self.asked(stream) else { return };
        let value = |wanted: &[u8]| fields.iter().find(|field| field.0 == wanted).map(|field| &field.1);
        let lines = |fields: &[(Vec<u8>, Vec<u8>, u8)]| -> Vec<u8> {
            let regular = fields.iter().filter(|field| !field.0.starts_with(b":"));
            regular
                .flat_map(|(name, value, _)| [name, &b": "[..], value, b"\r\n"].concat())
                .collect()
        };
        let Some(status) = value(b":status") else {
            // Trailers, which a length leaves no place for.
            let trailers = lines(&fields);
            if asked.is_chunked {
                self.untold.extend([b"0\r\n", &trailers[..], b"\r\n"].concat());
                self.asked = None;
            }
            return;
        };
        let is_final = status[0] != b'1';
        let has_body = !asked.is_head && !matches!(&status[..], b"204" | b"304");
        asked.has_head = is_final;
        asked.is_chunked = is_final && has_body && value(b"content-length").is_none();
        let framing = if asked.is_chunked {
            &b"transfer-encoding: chunked\r\n"[..]
        } else {
            b""
        };
        let line = [b"HTTP/1.1 ", &status[..], b" \r\n"].concat();
        self.untold
            .extend([&line[..], &lines(&fields), framing, b"\r\n"].concat());
    }

    fn data(&mut self, stream: u32, bytes: &[u8]) {
        self.untold_data += bytes.len() as u32;
        let Some(asked) = self.asked(stream) else { return };
        if bytes.is_empty() {
            return;
        }
        let is_chunked = asked.is_chunked;
        if is_chunked {
            self.untold.extend(format!("{:x}\r\n", bytes.len()).as_bytes());
        }
        self.untold.extend(bytes);
        if is_chunked {
            self.untold.extend(b"\r\n");
        }
    }

    /// The answer is whole. One that did not wait for the request ends the connection, as it does
    /// over HTTP/1.1.
    fn ended(&mut self, stream: u32) {
        if let Some(asked) = self.asked.take_if(|asked| asked.id == stream) {
            if asked.is_chunked {
                self.untold.extend(b"0\r\n\r\n");
            }
            self.is_over = !asked.is_whole;
        }
    }

    fn reset(&mut self, stream: u32, code: u32) {
        if let Some(asked) = self.asked.take_if(|asked| asked.id == stream) {
            if !asked.has_head && code == PROTOCOL_ERROR {
                self.untold.extend(b"HTTP/1.1 400 \r\ncontent-length: 0\r\n\r\n");
            }
            self.is_over = true;
        }
    }
}
