//! A relay in this process, on ports of its own.

use super::client::{Ask, TestClient, ask, asks_for_gzip, get};
use super::origin::{Conn, PATIENCE, TestOrigin};
use super::tls;
use fanfare::config::{self, Config};
use fanfare::relay::Relay;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Between looks at something that can't be awaited.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The path of the one source, whose name is `s`.
pub const PATH: &str = "/events";

/// A configuration in the making: one source over one origin, and what the story adds as lines of
/// YAML.
#[derive(Debug, Clone)]
pub struct Setup {
    url: String,
    path: String,
    listen: String,
    admin: String,
    upstream: String,
    source: String,
    top: String,
    others: String,
    /// What a setting can't say in YAML's units.
    adjust: Option<fn(&mut config::Source)>,
}

impl Setup {
    pub fn over(origin: &TestOrigin) -> Self {
        Self::at(&origin.url("/sse"))
    }

    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            path: PATH.to_owned(),
            listen: "127.0.0.1:0".to_owned(),
            admin: "127.0.0.1:0".to_owned(),
            // Stories don't wait for an origin that comes back.
            upstream: "reconnect: 20ms, reconnect_max: 100ms".to_owned(),
            source: String::new(),
            top: String::new(),
            others: String::new(),
            adjust: None,
        }
    }

    /// Another path than [`PATH`]; may hold parameters.
    pub fn path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    /// Ports that are known before the relay runs, and stay when it is started again.
    pub fn ports(mut self, address: SocketAddr, admin: SocketAddr) -> Self {
        (self.listen, self.admin) = (address.to_string(), admin.to_string());
        self
    }

    /// Where clients connect, in YAML; else one free port.
    pub fn listen(mut self, listen: &str) -> Self {
        self.listen = listen.to_owned();
        self
    }

    /// Lines within the source.
    pub fn source(mut self, lines: &str) -> Self {
        for line in lines.lines() {
            self.source += &format!("    {}\n", line.trim());
        }
        self
    }

    /// Lines at the top of the file.
    pub fn top(mut self, lines: &str) -> Self {
        for line in lines.lines() {
            self.top += &format!("{}\n", line.trim());
        }
        self
    }

    /// Another source, as it stands in the file below `sources`.
    pub fn beside(mut self, source: &str) -> Self {
        self.others += &format!("  {source}\n");
        self
    }

    /// Keys of the upstream, in flow style.
    pub fn upstream(mut self, keys: &str) -> Self {
        self.upstream = keys.to_owned();
        self
    }

    pub fn adjust(mut self, adjust: fn(&mut config::Source)) -> Self {
        self.adjust = Some(adjust);
        self
    }

    pub fn yaml(&self) -> String {
        let listen = tls::listener(&self.listen);
        let Self {
            url,
            path,
            admin,
            upstream,
            source,
            top,
            others,
            ..
        } = self;
        let compress = match asks_for_gzip() && !source.contains("compress:") {
            true => "    compress: gzip\n",
            false => "",
        };
        format!(
            "listen: {listen}\nadmin: {admin}\nworkers: 2\n{top}sources:\n  s:\n    path: {path}\n    \
             upstream: {{ url: \"{url}\", {upstream} }}\n{compress}{source}{others}"
        )
    }

    pub fn config(&self) -> Config {
        let yaml = self.yaml();
        let mut config = match config::read(&yaml, "story.yaml", &|_| None) {
            Ok(loaded) => loaded.config,
            Err(mistakes) => panic!("{mistakes}\n{yaml}"),
        };
        if !yaml.contains("ask_origin") {
            // An origin of a story answers when the story says: it is asked only where that is told.
            for source in &mut config.sources {
                std::sync::Arc::get_mut(source).unwrap().log.ask_origin = Duration::ZERO;
            }
        }
        if let Some(adjust) = self.adjust {
            for source in &mut config.sources {
                adjust(std::sync::Arc::get_mut(source).unwrap());
            }
        }
        config
    }

    pub fn start(&self) -> TestRelay {
        TestRelay::start(self.config())
    }

    /// Starts the relay, and opens the stream that it asks the origin for.
    pub async fn start_with(&self, origin: &TestOrigin) -> (TestRelay, Conn) {
        let relay = self.start();
        let mut conn = origin.accept().await;
        conn.stream_head().await;
        relay.upstream_connected().await;
        (relay, conn)
    }
}

/// A running relay; dropping it cuts everything.
pub struct TestRelay {
    pub relay: Relay,
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl TestRelay {
    pub fn start(config: Config) -> Self {
        let speaks_tls = config.listen[0].tls.is_some();
        Self::of(Relay::start(config).unwrap(), speaks_tls)
    }

    fn of(relay: Relay, speaks_tls: bool) -> Self {
        let (address, admin) = (relay.address().unwrap(), relay.admin_address().unwrap());
        tls::register(address, speaks_tls);
        tls::register(admin, false);
        Self { relay, address, admin }
    }

    /// A relay at an address that another has just left.
    pub async fn start_again(config: Config) -> Self {
        let began = Instant::now();
        loop {
            match Relay::start(config.clone()) {
                Ok(relay) => return Self::of(relay, config.listen[0].tls.is_some()),
                Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// A relay by a whole file.
    pub fn read(yaml: &str) -> Self {
        match config::read(yaml, "story.yaml", &|_| None) {
            Ok(loaded) => Self::start(loaded.config),
            Err(mistakes) => panic!("{mistakes}\n{yaml}"),
        }
    }

    /// A client without a last event ID that has seen its stream's beginning.
    pub async fn client(&self) -> TestClient {
        self.open(&get(PATH)).await
    }

    /// A client with a last event ID.
    pub async fn resume(&self, id: impl AsRef<[u8]>) -> TestClient {
        self.open(&get(PATH).last_event_id(id)).await
    }

    pub async fn open(&self, request: &Ask) -> TestClient {
        let mut client = request.open(self.address).await;
        client.opened().await;
        client
    }

    /// A series' value; 0 if it is not there. `fanfare_clients{source="s",protocol="http/1.1"}`
    pub fn metric(&self, series: &str) -> f64 {
        series_value(&self.relay.status_provider().metrics().render(), series)
    }

    pub async fn eventually_metric(&self, series: &str, wanted: f64) {
        eventually(&format!("{series} to become {wanted}"), || {
            self.metric(series) == wanted
        })
        .await;
    }

    pub async fn upstream_connected(&self) {
        let connected = || {
            let text = self.relay.status_provider().metrics().render();
            let lines = text
                .lines()
                .filter(|line| line.starts_with("fanfare_upstream_connected{"));
            lines.clone().count() > 0 && lines.clone().all(|line| line.ends_with(" 1"))
        };
        eventually("the upstream to be connected", connected).await;
    }

    /// Until so many events have come from the origin.
    pub async fn received(&self, events: u64) {
        self.eventually_metric(r#"fanfare_events_received_total{source="s"}"#, events as f64)
            .await;
    }

    /// Clients of all protocols.
    pub fn clients(&self) -> f64 {
        let text = self.relay.status_provider().metrics().render();
        let lines = text.lines().filter(|line| line.starts_with("fanfare_clients{"));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    pub async fn eventually_clients(&self, wanted: usize) {
        eventually(&format!("{wanted} clients"), || self.clients() == wanted as f64).await;
    }

    pub async fn status(&self) -> serde_json::Value {
        let answer = ask("GET", "/status").answer(self.admin).await;
        assert_eq!(answer.head.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Until `/status` says this at a pointer (RFC 6901).
    pub async fn eventually_status(&self, pointer: &str, wanted: impl Into<serde_json::Value>) {
        let (wanted, began) = (wanted.into(), Instant::now());
        loop {
            let status = self.status().await;
            if status.pointer(pointer) == Some(&wanted) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{pointer} is not {wanted}: {status:#}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Status and body of `/readyz`.
    pub async fn readyz(&self) -> (u16, serde_json::Value) {
        readyz(self.admin).await
    }
}

pub async fn readyz(admin: SocketAddr) -> (u16, serde_json::Value) {
    let answer = ask("GET", "/readyz").answer(admin).await;
    (answer.head.status, serde_json::from_str(&answer.body).unwrap())
}

/// A series' value in the text of a scrape; 0 if it is not there.
pub fn series_value(text: &str, series: &str) -> f64 {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}

/// Waits for what only looking can tell.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
