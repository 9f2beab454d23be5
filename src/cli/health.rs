//! `health`: asks a running relay whether it is well, for containers and units that have no `curl`.

use crate::config;
use crate::demo::reachable;
use crate::error::Exit;
use serde_json::Value;
use std::io::{self, Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// From the connection's opening to the end of the answer; less than the 30 s that Docker gives a
/// health check.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest answer that is read; the reasons of hundreds of sources fit.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// `health`.
#[derive(Debug, Clone, clap::Args)]
pub struct HealthArgs {
    /// Where the relay's admin listener is
    #[arg(long, value_name = "ADDRESS", default_value_t = config::ADMIN)]
    pub admin: SocketAddr,
    /// Only whether the process is alive, whatever its upstreams are doing
    #[arg(long)]
    pub live: bool,
}

/// Asks `/readyz`, or `/livez`. What is wrong goes to `err`, one line; a relay that is well is no
/// news.
pub fn health(args: &HealthArgs, err: &mut impl Write) -> io::Result<Exit> {
    let path = if args.live { "/livez" } else { "/readyz" };
    let why = match ask(reachable(args.admin), path) {
        Ok(answer) if answer.status == 200 => return Ok(Exit::Done),
        Ok(answer) => reasons(&answer),
        Err(error) => format!("no answer from http://{}{path}: {error}", args.admin),
    };
    writeln!(err, "fanfare: {why}")?;
    Ok(Exit::Failed)
}

struct Answer {
    status: u16,
    body: String,
}

/// One request, in HTTP/1.0: the answer ends with the connection.
fn ask(admin: SocketAddr, path: &str) -> io::Result<Answer> {
    let until = Instant::now() + TIMEOUT;
    let mut socket = TcpStream::connect_timeout(&admin, TIMEOUT)?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    socket.write_all(format!("GET {path} HTTP/1.0\r\nHost: {admin}\r\n\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        // The deadline is the whole answer's: a peer that trickles does not move it.
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() as u64 > ANSWER_BYTES_MAX {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        }
    }
    parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        body: body.to_owned(),
    })
}

/// Each reason as `source, upstream: detail`, on one line.
fn reasons(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let told: Vec<String> = body["reasons"].as_array().into_iter().flatten().map(reason).collect();
    match told.is_empty() {
        true => format!("not ready: status {}", answer.status),
        false => format!("not ready: {}", told.join("; ")),
    }
}

fn reason(reason: &Value) -> String {
    let text = |key: &str| reason[key].as_str();
    let place: Vec<&str> = ["source", "upstream"].into_iter().filter_map(text).collect();
    let what = text("detail").or(text("reason")).unwrap_or("no reason given");
    match place.is_empty() {
        true => what.to_owned(),
        false => format!("{}: {what}", place.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// What is told of a relay that answers so, and the exit code.
    fn told(answer: &'static str, live: bool) -> (Exit, String, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let admin = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a connection");
            let mut asked = [0; 1024];
            let n = socket.read(&mut asked).expect("a request");
            socket.write_all(answer.as_bytes()).expect("written");
            String::from_utf8_lossy(&asked[..n]).into_owned()
        });
        let mut err = Vec::new();
        let exit = health(&HealthArgs { admin, live }, &mut err).expect("written");
        let asked = server.join().expect("answered");
        (exit, String::from_utf8(err).expect("text"), asked)
    }

    #[test]
    fn a_relay_that_is_well_is_no_news() {
        let (exit, err, asked) = told("HTTP/1.1 200 OK\r\n\r\n{\"ready\":true}", false);
        assert_eq!((exit, err.as_str()), (Exit::Done, ""));
        assert!(asked.starts_with("GET /readyz HTTP/1.0\r\n"), "{asked}");
        assert!(told("HTTP/1.0 200 OK\r\n\r\nok", true).2.starts_with("GET /livez "));
    }

    #[test]
    fn one_that_is_not_says_why_on_one_line() {
        let (exit, err, _) = told(
            "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"ready\":false,\"reasons\":[{\"source\":\"a\",\"upstream\":\"o:1/\",\
             \"reason\":\"refused\",\"detail\":\"Connection refused\"},{\"reason\":\"draining\",\"detail\":\"draining\"}]}",
            false,
        );
        assert_eq!(exit, Exit::Failed);
        assert_eq!(err, "fanfare: not ready: a, o:1/: Connection refused; draining\n");
        let (exit, err, _) = told("HTTP/1.1 404 Not Found\r\n\r\nno", false);
        assert_eq!((exit, err.as_str()), (Exit::Failed, "fanfare: not ready: status 404\n"));
    }

    #[test]
    fn what_is_no_relay_fails() {
        let (exit, err, _) = told("SSH-2.0-OpenSSH\r\n", false);
        assert!(exit == Exit::Failed && err.contains("not HTTP"), "{err}");
        let free = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("an address");
        let mut err = Vec::new();
        let args = HealthArgs {
            admin: free,
            live: false,
        };
        assert_eq!(health(&args, &mut err).expect("written"), Exit::Failed);
        let err = String::from_utf8(err).expect("text");
        assert!(
            err.starts_with(&format!("fanfare: no answer from http://{free}/readyz: ")),
            "{err}"
        );
    }
}
