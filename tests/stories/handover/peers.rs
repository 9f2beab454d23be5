//! Processes of another build, spoken by the story: with another format, or that end half way.

use super::House;
use crate::support::client::get;
use crate::support::origin::TestOrigin;
use crate::support::process::TestProcess;
use crate::support::relay::PATH;
use fanfare::handover::{ControlSocket, Formats, Frame, Hello, Kind, Link, LinkError, Welcome};
use std::os::fd::AsFd as _;
use std::time::Duration;

/// Files that any process may open.
const MANY: u64 = 1 << 20;
const FAILED: &str = "fanfare_handed_over_total{outcome=\"failed\"}";

fn patient(link: Link) -> Link {
    link.set_patience(Some(Duration::from_secs(20))).unwrap();
    link
}

/// Says hello to the process of a house.
fn hello(house: &House, formats: Formats, descriptors: u64) -> (Link, Result<Welcome, LinkError>) {
    let link = patient(Link::connect(&house.socket()).unwrap());
    let hello = Hello::new(formats, "9.9.9", descriptors);
    link.send_bytes(Kind::TakeOver, &hello.bytes().unwrap(), &[]).unwrap();
    let welcome = link.receive().and_then(|frame| Welcome::of(&frame));
    (link, welcome)
}

/// A relay with one client, which gets what comes.
struct Served {
    house: House,
    process: TestProcess,
    conn: crate::support::origin::Conn,
    client: crate::support::client::TestClient,
    sent: usize,
}

impl Served {
    async fn start() -> Self {
        let origin = TestOrigin::start().await;
        let house = House::over(&origin);
        let process = house.start().await;
        let mut conn = origin.accept().await;
        conn.stream_head().await;
        let mut client = get(PATH).open(process.address).await;
        client.opened().await;
        Self {
            house,
            process,
            conn,
            client,
            sent: 0,
        }
    }

    /// The client, a new one, and the control socket are served as before.
    async fn goes_on(&mut self, failures: f64) {
        self.process.eventually_metric(FAILED, failures).await;
        let data = self.sent.to_string();
        self.sent += 1;
        let mut newcomer = get(PATH).open(self.process.address).await;
        newcomer.opened().await;
        self.conn.event(&format!("data: {data}")).await;
        assert_eq!(self.client.next_event().await.data, data);
        assert_eq!(newcomer.next_event().await.data, data);
        assert_eq!(self.process.metric("fanfare_draining").await, 0.0);
    }
}

#[tokio::test]
async fn an_unknown_format_is_refused_and_a_later_one_that_knows_ours_is_not() {
    let mut served = Served::start().await;
    let (_, told) = hello(&served.house, Formats { oldest: 99, newest: 99 }, MANY);
    let told = told.unwrap_err().to_string();
    assert!(told.contains("format 99") && told.contains("format 1"), "{told}");
    served.goes_on(1.0).await;
    let (link, welcome) = hello(&served.house, Formats { oldest: 1, newest: 2 }, MANY);
    assert_eq!(welcome.unwrap().format, 1);
    drop(link);
    served.goes_on(2.0).await;
    let status = served.process.status().await;
    assert_eq!(status["upgrade"]["outcome"], "failed");
}

#[tokio::test]
async fn one_that_may_open_too_few_files_is_refused() {
    let mut served = Served::start().await;
    let (_, told) = hello(&served.house, fanfare::handover::FORMATS, 20);
    let told = told.unwrap_err().to_string();
    assert!(
        told.contains("it may open 20 files") && told.contains("LimitNOFILE"),
        "{told}"
    );
    served.goes_on(1.0).await;
}

/// The new process ends, or talks nonsense, after each thing that it has said or got.
#[tokio::test]
async fn whatever_the_new_process_does_half_way_the_old_one_goes_on() {
    let mut served = Served::start().await;
    let mut failures = 0.0;
    for step in 0..5 {
        let (link, welcome) = hello(&served.house, fanfare::handover::FORMATS, MANY);
        assert!(welcome.is_ok());
        let get = |kind, what| -> Frame { link.expect(kind, what).unwrap() };
        match step {
            0 => {}
            1 => drop(get(Kind::Listeners, "listeners")),
            2 => link.send(Kind::Held, &()).unwrap(),
            _ => {
                get(Kind::Listeners, "listeners");
                let ready = ready();
                link.send_bytes(Kind::Ready, &ready, &[]).unwrap();
                if step == 4 {
                    // All that is given, and then nothing.
                    while link.receive().unwrap().kind != Kind::End {}
                }
            }
        }
        drop(link);
        failures += 1.0;
        served.goes_on(failures).await;
    }
    // And then it works.
    let next = served.house.take_over().await;
    assert_eq!(served.process.exit().await.code(), Some(0));
    drop(next);
}

/// A process that takes over, and ends when all is given.
pub(super) fn fails_when_all_is_given(house: &House) {
    let (link, welcome) = hello(house, fanfare::handover::FORMATS, MANY);
    assert!(welcome.is_ok());
    link.expect(Kind::Listeners, "listeners").unwrap();
    link.send_bytes(Kind::Ready, &ready(), &[]).unwrap();
    while link.receive().unwrap().kind != Kind::End {}
}

/// What a process says that has everything and goes on with every listener.
fn ready() -> Vec<u8> {
    let (listeners, sources): (Vec<u32>, Vec<u8>) = (vec![0, 1, 2], Vec::new());
    fanfare::handover::encode(&(listeners, sources)).unwrap()
}

#[tokio::test]
async fn only_one_takes_over_at_one_time() {
    let mut served = Served::start().await;
    let (first, welcome) = hello(&served.house, fanfare::handover::FORMATS, MANY);
    welcome.unwrap();
    let (code, said) = served.house.run(&["serve", "--takeover"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("another process is taking over"), "{said}");
    drop(first);
    served.goes_on(1.0).await;
}

/// The old process ends after each thing that it has said: the new one ends with a clear error, and
/// has served nobody.
#[tokio::test]
async fn a_new_process_whose_predecessor_ends_half_way_ends_too() {
    let origin = TestOrigin::start().await;
    let house = House::over(&origin);
    for step in 0..4 {
        let control = ControlSocket::bind(&house.socket()).unwrap();
        let new = house.run(&["serve", "--takeover"]);
        let old = tokio::task::spawn_blocking(move || {
            let link = loop {
                match control.accept() {
                    Ok(link) => break patient(link),
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            link.receive().unwrap();
            if step == 0 {
                return;
            }
            let format = if step == 1 { 2 } else { 1 };
            let version = "0.0.1".to_owned();
            link.send(Kind::Welcome, &Welcome { format, version }).unwrap();
            if step == 3 {
                // For the next hand-over alone: nothing else listens here.
                let name = format!("unix:{}", control.path().display());
                let listeners = vec![(2_u8, name, None::<String>, false)];
                link.send_with(Kind::Listeners, &listeners, &[control.as_fd()]).unwrap();
                link.expect(Kind::Ready, "that it is ready").unwrap();
            }
        });
        let ((code, said), old) = tokio::join!(new, old);
        old.unwrap();
        assert_eq!(code, 1, "{step}: {said}");
        assert!(said.contains("nothing was taken over"), "{step}: {said}");
        assert!(!origin.is_called_within(Duration::ZERO).await);
    }
}
