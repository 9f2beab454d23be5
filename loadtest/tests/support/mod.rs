//! The harness as a program, and servers for it.

#![allow(dead_code, unreachable_pub, missing_docs)]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};

pub fn harness(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fanfare-loadtest"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the harness starts")
}

pub fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// A subcommand that serves until it is dropped.
pub struct Serving {
    child: Child,
    pub address: SocketAddr,
}

impl Serving {
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fanfare-loadtest"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the harness starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        out.read_line(&mut line).expect("it says where it listens");
        let said: Value = serde_json::from_str(&line).expect("in JSON");
        let address = said["listening"]["address"]
            .as_str()
            .expect("an address")
            .parse()
            .expect("a valid one");
        // The floor goes on writing to stdout: its pipe must be drained.
        std::thread::spawn(move || {
            let _ = out.read_to_end(&mut Vec::new());
        });
        Self { child, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that answers every connection with the same bytes, and then ends it.
pub fn canned(answer: impl Into<String>) -> SocketAddr {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let _ = socket.read(&mut [0; 4096]);
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    address
}
