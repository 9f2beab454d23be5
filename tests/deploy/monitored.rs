//! A Prometheus that scrapes a running relay by the files of `deploy/prometheus`: the dashboard's
//! queries answer, every rule can be computed, and alerts fire when the origin goes away.

use crate::dashboard::{dashboard, queries};
use crate::support::client::{ask, get};
use crate::support::origin::{PATIENCE, TestOrigin};
use crate::support::ports::free_address;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use crate::support::tls::{Authority, NAME};
use crate::tools::{file, program};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// Between scrapes, and between looks at the rules.
const INTERVAL: &str = "200ms";
/// Over which rates are taken: Grafana's variable, at this interval.
const RATE_INTERVAL: &str = "5s";
/// Expressions without a value in a relay that is well.
const EMPTY_WHEN_WELL: [&str; 3] = [
    // There are no templated sources, no restarts, and no `access`.
    "fanfare_access_denied_total",
    "instance:fanfare_channels:ratio",
    "changes(process_start_time_seconds",
];

struct Prometheus {
    address: SocketAddr,
    _child: Child,
    _dir: tempfile::TempDir,
}

impl Prometheus {
    /// With the rules as they are, but for the patience of alerts.
    async fn scraping(relay: SocketAddr) -> Self {
        let dir = tempfile::tempdir().unwrap();
        configure(dir.path(), relay);
        let address = free_address();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new(program("prometheus"))
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={address}"))
            .current_dir(dir.path())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let began = Instant::now();
        while !is_ready(address).await {
            assert!(began.elapsed() < PATIENCE, "no Prometheus");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self {
            address,
            _child: child,
            _dir: dir,
        }
    }

    async fn api(&self, path: &str) -> Value {
        let answer = ask("GET", path).answer(self.address).await;
        assert_eq!(answer.head.status, 200, "{path}: {}", answer.body);
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// What an expression is now: a list of samples.
    async fn query(&self, expr: &str) -> Vec<Value> {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", expr)
            .finish();
        let data = self.api(&format!("/api/v1/query?{query}")).await;
        data["result"].as_array().unwrap().clone()
    }

    async fn eventually(&self, expr: &str) {
        let began = Instant::now();
        while self.query(expr).await.is_empty() {
            assert!(began.elapsed() < PATIENCE, "in vain for {expr}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// It listens before it answers queries.
async fn is_ready(address: SocketAddr) -> bool {
    tokio::net::TcpStream::connect(address).await.is_ok()
        && ask("GET", "/-/ready").answer(address).await.head.status == 200
}

/// The files of `deploy/prometheus`, faster, and with this relay.
fn configure(dir: &Path, relay: SocketAddr) {
    let read = |name: &str| std::fs::read_to_string(file("deploy/prometheus").join(name)).unwrap();
    let config = read("prometheus.yml")
        .replace("15s", INTERVAL)
        .replace("localhost:7090", &relay.to_string());
    assert!(config.contains(INTERVAL) && config.contains(&relay.to_string()));
    let alerts = read("alerts.yml");
    let alerts: Vec<&str> = alerts
        .lines()
        .filter(|line| !line.trim_start().starts_with("for:"))
        .collect();
    std::fs::write(dir.join("prometheus.yml"), config).unwrap();
    std::fs::write(dir.join("alerts.yml"), alerts.join("\n")).unwrap();
    std::fs::write(dir.join("recording.yml"), read("recording.yml")).unwrap();
}

/// As Grafana would ask, with all of everything chosen.
fn asked(expr: &str) -> String {
    let expr = expr.replace("$__rate_interval", RATE_INTERVAL);
    ["$job", "$instance", "$source"]
        .iter()
        .fold(expr, |expr, variable| expr.replace(variable, ".*"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_shows_a_relay_and_alerts_fire_when_its_origin_goes() {
    let origin = TestOrigin::start().await;
    let top = "pass: [{ prefix: /page, to: \"http://127.0.0.1:9\" }]";
    let authority = Authority::new();
    authority.issue("relay", &[NAME]);
    // The log names the first listener first.
    let tls = authority.tls("relay", "");
    let listen = format!("[ '127.0.0.1:0', {{ address: '127.0.0.1:0', tls: {tls} }} ]");
    let setup = Setup::over(&origin).top(&format!("{top}\n")).listen(&listen);
    let process = TestProcess::start(&setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let mut client = get(PATH).open(process.address).await;
    client.opened().await;
    let prometheus = Prometheus::scraping(process.admin).await;
    prometheus.eventually("up == 1").await;
    // Something of everything: events, a refusal, a proxied request whose origin is not there.
    for n in 0..20 {
        conn.event(&format!("id: {n}\ndata: {n}")).await;
        client.until_data(&n.to_string()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ask("GET", "/page").answer(process.address).await.assert_problem(502);
    every_query_answers(&prometheus).await;
    let well = prometheus
        .query(r#"ALERTS{alertname=~"Fanfare(NotReady|UpstreamDown|InstanceDown|SourceQuiet|NearClientLimit)"}"#)
        .await;
    assert!(well.is_empty(), "none of these is true: {well:?}");
    drop((conn, origin));
    for alert in ["FanfareNotReady", "FanfareUpstreamDown"] {
        prometheus
            .eventually(&format!("ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}"))
            .await;
    }
    every_rule_is_computed(&prometheus).await;
    drop(process);
    prometheus
        .eventually(r#"ALERTS{alertname="FanfareInstanceDown",alertstate="firing"}"#)
        .await;
}

/// Rates need some scrapes: an expression may be empty at first.
async fn every_query_answers(prometheus: &Prometheus) {
    let dashboard = dashboard();
    let mut answered = 0;
    for (title, expr) in queries(&dashboard) {
        let asked = asked(&expr);
        if EMPTY_WHEN_WELL.iter().any(|part| expr.contains(part)) {
            // It has to be one that Prometheus understands all the same.
            prometheus.query(&asked).await;
            continue;
        }
        // Nothing has failed yet: no series.
        if !expr.contains("fanfare_upstream_reconnects_total") {
            prometheus.eventually(&asked).await;
            answered += 1;
        }
        assert!(!asked.contains('$'), "{title}: {asked}");
    }
    assert!(answered > 20, "only {answered} queries were made");
}

async fn every_rule_is_computed(prometheus: &Prometheus) {
    let data = prometheus.api("/api/v1/rules").await;
    let rules: Vec<&Value> = data["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    assert!(rules.len() > 30);
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        for alert in rule["alerts"].as_array().into_iter().flatten() {
            let annotations = alert["annotations"].to_string();
            assert!(
                !annotations.contains("error") && !annotations.contains("<no value>"),
                "{annotations}"
            );
        }
    }
}
