//! Whatever an origin answers, the upstream neither panics nor hangs nor takes it for more than it
//! is.

use crate::running::{Told, config, run};
use crate::support::origin::TestOrigin;
use proptest::prelude::*;
use std::time::Duration;

/// Pieces that make an answer get further than noise would.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 302 Found\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n",
        "HTTP/1.1 999 \r\n",
        "Content-Type: text/event-stream\r\n",
        "Content-Length: 10\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Content-Encoding: gzip\r\n",
        "Location: http://127.0.0.1:1/\r\n",
        "Location: \u{7f}\r\n",
        "Retry-After: -1\r\n",
        "\r\n",
        "\n",
        "5\r\ndata:\r\n",
        "ffffffffffffffffff\r\n",
        "0\r\n\r\n",
        "id: 1\ndata: x\n\n",
        "retry: 99999999999999999999\n",
    ];
    prop_oneof![
        4 => prop::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_answer_ends_in_a_failure_or_in_the_end(pieces in prop::collection::vec(piece(), 0..8), begun in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let origin = TestOrigin::start().await;
            let mut config = config(origin.url("/"));
            // Half a head, and then nothing, is a timeout.
            config.connect_timeout = Duration::from_secs(2);
            let mut upstream = run(config);
            upstream.stop_at_next();
            let mut answer = if begun { b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n".to_vec() } else { Vec::new() };
            answer.extend(pieces.concat());
            let mut conn = origin.accept().await;
            // It may have seen enough before it has seen all.
            let _ = conn.try_send(answer).await;
            conn.close().await;
            while !matches!(upstream.told().await, Told::Failed(_) | Told::Ended) {}
            upstream.returned().await;
        });
    }
}
