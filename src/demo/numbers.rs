//! What the relay says of itself, read where anyone can read it: its metrics.

use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// From one look to the next. The relay's shards add up about once a second.
pub(super) const EVERY: Duration = Duration::from_millis(500);
/// For one answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Largest answer that is read; the metrics of two sources are a tenth of it.
const BYTES_MAX: u64 = 512 * 1024;

/// The relay's numbers at one moment. Those of a source are of the crowd's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Numbers {
    /// When, in nanoseconds of the crowd's clock.
    pub(super) at_ns: u64,
    pub(super) clients: f64,
    pub(super) resident_bytes: f64,
    pub(super) cpu_seconds: f64,
    pub(super) deliveries: f64,
    pub(super) evictions: f64,
    pub(super) resumes_exact: f64,
    pub(super) resumes_gap: f64,
    pub(super) gaps: f64,
    /// Whether the relay is connected to the origin.
    pub(super) upstreams: f64,
    pub(super) upstream_reconnects: f64,
}

/// Asks a relay's admin listener.
pub(super) async fn ask(admin: SocketAddr, source: &str) -> io::Result<Numbers> {
    let answer = async {
        let mut socket = TcpStream::connect(admin).await?;
        let request = format!("GET /metrics HTTP/1.0\r\nHost: {admin}\r\n\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        socket.take(BYTES_MAX).read_to_string(&mut text).await?;
        Ok::<_, io::Error>(text)
    };
    let text = tokio::time::timeout(TIMEOUT, answer)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(of(&text, source))
}

fn of(exposition: &str, source: &str) -> Numbers {
    let source = format!("source=\"{source}\"");
    let sum = |metric: &str, labels: &[&str]| -> f64 {
        let values = exposition.lines().filter_map(|line| {
            let rest = line.strip_prefix(metric)?;
            let is_it = rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label));
            rest.rsplit(' ').next().filter(|_| is_it)?.parse::<f64>().ok()
        });
        // A sum of nothing would be -0.
        values.fold(0.0, |sum, value| sum + value)
    };
    let of_source = |metric| sum(metric, &[&source]);
    let resumes = |outcome| sum("fanfare_resumes_total", &[&source, outcome]);
    Numbers {
        at_ns: crate::crowd::clock::now_ns(),
        clients: of_source("fanfare_clients"),
        resident_bytes: sum("process_resident_memory_bytes", &[]),
        cpu_seconds: sum("process_cpu_seconds_total", &[]),
        deliveries: of_source("fanfare_deliveries_total"),
        evictions: of_source("fanfare_evictions_total"),
        resumes_exact: resumes("outcome=\"exact\""),
        resumes_gap: resumes("outcome=\"gap\""),
        gaps: of_source("fanfare_gaps_total"),
        upstreams: of_source("fanfare_upstream_connected"),
        upstream_reconnects: of_source("fanfare_upstream_reconnects_total"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_of_the_source_that_is_asked_for() {
        let text = "# TYPE fanfare_clients gauge\nfanfare_clients{source=\"crowd\",protocol=\"http/1.1\"} 7\n\
                    fanfare_clients{source=\"changelog\",protocol=\"http/1.1\"} 1\nfanfare_clients_more{source=\"crowd\"} 9\n\
                    fanfare_resumes_total{source=\"crowd\",outcome=\"exact\"} 5\nprocess_resident_memory_bytes 4096\n\
                    fanfare_resumes_total{source=\"crowd\",outcome=\"gap\"} 2\n";
        let numbers = of(text, "crowd");
        assert_eq!(
            (numbers.clients, numbers.resumes_exact, numbers.resumes_gap),
            (7.0, 5.0, 2.0)
        );
        assert_eq!((numbers.resident_bytes, numbers.evictions), (4096.0, 0.0));
    }
}
