//! What stands behind a server that holds streams by instruction (GRIP): it answers each request with
//! an empty stream that is to be held on a channel.

use anyhow::Result;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The channel of all clients.
pub(super) const CHANNEL: &str = "load";
/// Threads that accept: a request that is slow to come delays no other.
const THREADS: usize = 8;
/// For a request to come.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// It answers until it is dropped.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    stops: Arc<AtomicBool>,
}

impl Backend {
    pub(super) fn start(channel: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, stops) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nGrip-Hold: stream\r\nGrip-Channel: {channel}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        for _ in 0..THREADS {
            let (listener, answer, stopped) = (listener.try_clone()?, answer.clone(), stops.clone());
            std::thread::spawn(move || {
                for socket in listener.incoming().map_while(Result::ok) {
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    // Whoever asks for it wrongly gets no stream, and that is seen.
                    let _ = respond(socket, &answer);
                }
            });
        }
        Ok(Self { address, stops })
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        // Wakes the threads.
        for _ in 0..THREADS {
            let _ = TcpStream::connect(self.address);
        }
    }
}

fn respond(mut socket: TcpStream, answer: &str) -> std::io::Result<()> {
    socket.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while memchr::memmem::find(&request, b"\r\n\r\n").is_none() {
        match socket.read(&mut piece)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&piece[..read]),
        }
    }
    socket.write_all(answer.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_told_to_hold_the_channel() {
        let backend = Backend::start(CHANNEL).expect("a port is free");
        for _ in 0..2 {
            let mut socket = TcpStream::connect(backend.address).expect("it listens");
            socket
                .write_all(b"GET /x HTTP/1.1\r\nHost: y\r\n\r\n")
                .expect("it reads");
            let mut answer = String::new();
            socket.read_to_string(&mut answer).expect("it answers");
            assert!(answer.contains("\r\nGrip-Channel: load\r\n"), "{answer}");
        }
    }
}
