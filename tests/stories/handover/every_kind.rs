//! One upgrade, under events, with clients of every kind and in every state at the same time.

use super::House;
use super::drained::{assert_drained, over_tls};
use super::numbered::{NumberedOrigin, assert_whole, history, joined, next};
use crate::support::client::{Answer, Ask, TestClient, ask, get};
use crate::support::frames::{DATA, END_STREAM, FramePeer, HEADERS};
use crate::support::origin::{Conn, TestOrigin, within};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use crate::support::tls::{Authority, Dial, NAME, VERSIONS};
use crate::support::wire::Wire;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Events, of which half come before the upgrade begins.
const LAST: u64 = 200;
/// So large that one which does not read has an event half sent.
const EVENT: usize = 20_000;

fn setup(origin: &NumberedOrigin, behind: &TestOrigin, authority: &Authority) -> Setup {
    let source = "compress: gzip\nfilters: 4\nslow_client: { bytes: 64MiB }";
    let top = format!(
        "drain: {{ spread: 1s, timeout: 8s }}\npass: [ {{ prefix: /app/, to: \"{}\" }} ]\n",
        behind.url("")
    );
    let tls = authority.tls("relay", "");
    let listen = format!("[127.0.0.1:0, {{ address: '127.0.0.1:0', tls: {tls} }}]");
    Setup::at(&origin.url).source(source).top(&top).listen(&listen)
}

/// Streams in clear text, each with its name.
fn kinds() -> [(&'static str, Ask); 5] {
    let filtered = format!("{PATH}?event=message");
    let gzip = |ask: Ask| ask.header("Accept-Encoding", "gzip");
    [
        ("live", get(PATH)),
        ("HTTP/1.0", get(PATH).http10()),
        ("filtered", get(&filtered)),
        ("compressed", gzip(get(PATH))),
        ("filtered and compressed", gzip(get(&filtered))),
    ]
}

async fn opened(ask: &Ask, address: SocketAddr) -> TestClient {
    let mut client = ask.open(address).await;
    client.opened().await;
    client
}

/// Until both streams of a connection have ended in order.
async fn until_ended(peer: &mut FramePeer, streams: usize) {
    let mut ended = 0;
    within("the streams to end", async {
        while ended < streams {
            let frame = peer.next().await.expect("the streams end before the connection does");
            if frame.kind == DATA || frame.kind == HEADERS {
                ended += usize::from(frame.flags & END_STREAM != 0);
            }
        }
    })
    .await;
}

type History = JoinHandle<(TestClient, Vec<u64>)>;

async fn have_noticed_nothing(following: Vec<(&str, History)>) {
    for (kind, history) in following {
        let (client, numbers) = history.await.unwrap();
        assert_whole(&numbers, 1, LAST);
        assert!(client.is_open(), "{kind}");
    }
}

/// Those that can't go over.
struct Staying {
    encrypted: TestClient,
    multiplexed: FramePeer,
    late: JoinHandle<Answer>,
    late_conn: Conn,
}

impl Staying {
    async fn start(address: SocketAddr, secured: SocketAddr, dial: &Dial, behind: &TestOrigin) -> Self {
        let encrypted = over_tls(dial, secured).await;
        let mut multiplexed = FramePeer::open(address).await;
        for stream in [1, 3] {
            // Of events that do not come: this peer opens no windows.
            multiplexed.get(stream, &format!("{PATH}?event=other")).await;
            multiplexed.until(stream, "retry: ").await;
        }
        Self {
            encrypted,
            multiplexed,
            late: tokio::spawn(async move { ask("GET", "/app/late").answer(address).await }),
            late_conn: behind.accept().await,
        }
    }

    /// They end in order. What came over TLS, and the last id there.
    async fn leave(mut self) -> (Vec<u64>, Vec<u8>) {
        let seen = drained_with(&mut self.encrypted).await;
        until_ended(&mut self.multiplexed, 2).await;
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate";
        self.late_conn.send(answer).await;
        assert_eq!(&*self.late.await.unwrap().body, "late");
        (seen, self.encrypted.last_event_id)
    }
}

/// A poll that waits.
async fn polling(process: &TestProcess) -> JoinHandle<Answer> {
    let opened = "fanfare_connections_opened_total";
    let (address, before) = (process.address, process.metric(opened).await);
    let poll = ask("GET", &format!("{PATH}?wait=20")).header("Accept", "application/json");
    let polling = tokio::spawn(async move { poll.answer(address).await });
    process.eventually_metric(opened, before + 1.0).await;
    polling
}

fn secured_address(process: &TestProcess) -> SocketAddr {
    let listening = process.log_lines("listening for clients");
    let secured = listening.iter().find(|line| line["tls"] == true).unwrap();
    secured["address"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_goes_over_or_is_drained_as_it_is_told() {
    let authority = Authority::new();
    authority.issue("relay", &[NAME, "127.0.0.1"]);
    authority.ca();
    let (origin, behind) = (NumberedOrigin::start(EVENT).await, TestOrigin::start().await);
    let house = House::of(setup(&origin, &behind, &authority));
    let mut process = house.start().await;
    origin.connected().await;
    let (address, secured) = (process.address, secured_address(&process));
    let mut following = Vec::new();
    for (kind, ask) in kinds() {
        following.push((kind, history(opened(&ask, address).await, LAST)));
    }
    let stalled = get(PATH).small_receive_buffer().open(address).await;
    let request = String::from_utf8(get(PATH).bytes()).unwrap();
    let (beginning, rest) = request.split_at(request.len() / 2);
    let mut asking = Wire::connect(address).await;
    asking.send(beginning).await;
    let dial = authority.client(NAME, VERSIONS, None);
    let staying = Staying::start(address, secured, &dial, &behind).await;
    for _ in 0..LAST / 2 {
        origin.publish();
    }
    let mut late_comer = joined(address).await;
    let polling = polling(&process).await;
    let publishing = async {
        for _ in LAST / 2..LAST {
            origin.publish();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let (new, ()) = tokio::join!(house.take_over(), publishing);

    following.push(("stalled", history(stalled, LAST)));
    have_noticed_nothing(following).await;
    asking.send(rest).await;
    assert_eq!(asking.start().await.status(), 200);
    assert_eq!(polling.await.unwrap().head.status, 200);
    let (seen, last) = staying.leave().await;
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    // Who was drained comes back, and has missed nothing.
    let mut back = TestClient::new(Box::new(dial.connect(secured).await), &get(PATH).last_event_id(last)).await;
    assert_eq!(back.read_head().await.status, 200);
    let n = origin.publish();
    let (_, after) = history(back, n).await.unwrap();
    assert_whole(&[seen, after].concat(), 1, n);
    while next(&mut late_comer).await < n {}
    let outcome = |outcome: &str| format!("fanfare_handed_over_total{{outcome=\"{outcome}\"}}");
    new.eventually_metric(&outcome("handed_over"), 7.0).await;
    assert_eq!(new.metric(&outcome("cut")).await, 0.0);
    assert_eq!(origin.connections(), 1, "the origin noticed nothing");
}

/// All that a client gets until its stream ends in order.
async fn drained_with(client: &mut TestClient) -> Vec<u64> {
    let mut seen = Vec::new();
    while let Some(event) = client.try_next_event().await {
        seen.push(super::numbered::number(&event.data));
    }
    assert_drained(client).await;
    seen
}
