//! HTTP/2, where the operator asks for it.

use crate::running::{Running, config, run};
use crate::support::origin::{Conn, TestOrigin, within};
use crate::tls::trusted;
use bytes::Bytes;
use fanfare::upstream::{Reason, Resume};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, http};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::sync::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

/// A stream over HTTP/2, opened by the request with this head.
struct Stream {
    head: http::request::Parts,
    frames: mpsc::Sender<String>,
    /// Ends when the connection does.
    served: JoinHandle<()>,
}

/// Serves one connection, whose one request is answered with a stream.
async fn serve(conn: Conn) -> Stream {
    let (tell, mut told) = mpsc::channel(1);
    let (frames, body) = mpsc::channel::<String>(16);
    let body = Mutex::new(Some(body));
    let service = service_fn(move |request: Request<Incoming>| {
        let body = body.lock().unwrap().take().expect("one request");
        let tell = tell.clone();
        async move {
            tell.send(request.into_parts().0).await.expect("a story that listens");
            let frames = ReceiverStream::new(body).map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from(text))));
            let response = Response::builder()
                .header("content-type", "text/event-stream")
                .body(StreamBody::new(frames));
            Ok::<_, Infallible>(response.unwrap())
        }
    });
    let served = tokio::spawn(async move {
        let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = serving.serve_connection(TokioIo::new(conn.into_io()), service).await;
    });
    let head = within("a request over HTTP/2", told.recv())
        .await
        .expect("a connection that speaks HTTP/2");
    Stream { head, frames, served }
}

impl Stream {
    async fn event(&self, lines: &str) {
        self.frames
            .send(format!("{lines}\n\n"))
            .await
            .expect("a stream that is open");
    }
}

async fn clear_text() -> (TestOrigin, Running) {
    let origin = TestOrigin::start().await;
    let mut config = config(origin.url("/sse?a=b"));
    config.http2 = true;
    config.headers = vec![("host".parse().unwrap(), "public.example".parse().unwrap())];
    (origin, run(config))
}

#[tokio::test]
async fn a_stream_in_clear_text_with_prior_knowledge() {
    let (origin, mut upstream) = clear_text().await;
    let stream = serve(origin.accept_silent().await).await;
    assert_eq!(stream.head.version, http::Version::HTTP_2);
    assert_eq!(stream.head.uri, "http://public.example/sse?a=b");
    assert_eq!(stream.head.headers["accept"], "text/event-stream");
    assert_eq!(upstream.connected().await, Resume::First);
    stream.event("id: 1\ndata: a").await;
    assert_eq!(upstream.event().await, "id: 1\ndata: a");
    drop(stream);
    upstream.failed_with(Reason::Ended).await;

    let stream = serve(origin.accept_silent().await).await;
    assert_eq!(stream.head.headers["last-event-id"], "1");
    assert_eq!(upstream.connected().await, Resume::Sent);
    // The connection breaks under the stream.
    stream.served.abort();
    upstream.failed_with(Reason::Reset).await;
}

/// Thousands of small DATA frames are what HTTP/2 libraries take for an attack, and what an event
/// stream is.
#[tokio::test]
async fn many_small_frames_are_a_stream_like_any_other() {
    let (origin, mut upstream) = clear_text().await;
    let stream = serve(origin.accept_silent().await).await;
    upstream.connected().await;
    for nth in 0..20_000 {
        stream.event(&format!("data: {nth}")).await;
        if nth % 100 == 0 {
            while upstream.event().await != format!("data: {nth}") {}
        }
    }
}

#[tokio::test]
async fn a_stream_over_tls() {
    let (_authority, origin, mut config) = trusted(&["h2", "http/1.1"], false).await;
    config.http2 = true;
    let mut upstream = run(config);
    let conn = origin.accept_silent().await;
    assert_eq!(conn.alpn().as_deref(), Some("h2"));
    let stream = serve(conn).await;
    upstream.connected().await;
    stream.event("data: 1").await;
    assert_eq!(upstream.event().await, "data: 1");
    // Dropped, it leaves neither connection nor task behind.
    upstream.drop_it().await;
    within("the connection's end", stream.served).await.unwrap();
}

#[tokio::test]
async fn an_origin_that_speaks_http1_only() {
    let (_authority, origin, mut config) = trusted(&[], false).await;
    config.http2 = true;
    let mut upstream = run(config);
    let _conn = origin.accept_silent().await;
    upstream.failed_with(Reason::Protocol).await;

    let (_authority, origin, mut config) = trusted(&["http/1.1"], false).await;
    config.http2 = true;
    let mut upstream = run(config);
    assert!(origin.try_accept().await.is_err());
    upstream.failed_with(Reason::Tls).await;

    let (origin, mut upstream) = clear_text().await;
    let mut conn = origin.accept_silent().await;
    conn.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let failure = upstream.failed_with(Reason::Protocol).await;
    assert!(failure.detail.contains("answers in HTTP/1"), "{failure}");
}

#[tokio::test]
async fn an_origin_that_speaks_http2_only() {
    let origin = TestOrigin::start().await;
    let mut upstream = run(config(origin.url("/sse")));
    let mut conn = origin.accept_silent().await;
    // The server's preface, an empty SETTINGS frame, and GOAWAY.
    conn.send(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00").await;
    let failure = upstream.failed_with(Reason::Protocol).await;
    assert!(failure.detail.contains("http2: true"), "{failure}");
}
