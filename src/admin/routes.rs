//! Which path answers what.

use super::health;
use crate::access::{AccessRequest, Answer, Check, Gate, Verdict};
use crate::auxiliary_http::Handler;
use crate::auxiliary_http::response::{self, HTML, JSON, Response, TEXT};
use crate::status::{NotReady, Readiness, StatusProvider};
use arc_swap::ArcSwapOption;
use hyper::body::Incoming;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Method, Request, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How often the histograms' samples are sorted into buckets; until then each of them takes 16
/// bytes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// How long `/status` waits for the data path. After that the client learns that there is no
/// answer, and can ask again.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

const DASHBOARD: &str = include_str!("dashboard.html");

/// The page is one file and talks to its own server only; it writes what it is told as text, never
/// as markup.
const DASHBOARD_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The text format of Prometheus, by its version.
const METRICS_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");

/// Who sees clients and events.
pub(super) struct Exposure {
    /// Only this machine reaches it: where there is no gate, they are shown.
    is_loopback: bool,
    /// What lets people in, as of now.
    gate: Arc<ArcSwapOption<Gate>>,
}

impl Exposure {
    /// Of a listener at this address.
    pub(super) fn at(address: Option<SocketAddr>, gate: Arc<ArcSwapOption<Gate>>) -> Self {
        let is_loopback = address.is_none_or(|address| address.ip().to_canonical().is_loopback());
        Self { is_loopback, gate }
    }

    /// Whether they are shown to no one, as of now.
    pub(super) fn hides_all(&self) -> bool {
        !self.is_loopback && self.gate.load().is_none()
    }
}

const METHODS: &str = "GET, HEAD";

/// When to come back where it can't be decided: keys and origins take seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// What is served, and of what.
pub(super) struct Routes {
    provider: Arc<dyn StatusProvider>,
    exposure: Exposure,
    /// Statuses are made one at a time: no probe waits behind a crowd of them.
    status: Semaphore,
}

impl Routes {
    pub(super) fn new(provider: Arc<dyn StatusProvider>, exposure: Exposure) -> Self {
        Self {
            provider,
            exposure,
            status: Semaphore::new(1),
        }
    }
}

impl Handler for Routes {
    async fn handle(&self, request: hyper::Request<Incoming>) -> Response {
        answer(self, &request).await
    }

    async fn background(&self) {
        let mut upkeep = tokio::time::interval(UPKEEP_EVERY);
        upkeep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            upkeep.tick().await;
            self.provider.metrics().run_upkeep();
        }
    }
}

/// Answers a request for `path`. HEAD is answered as GET; hyper leaves the body out.
async fn answer<B>(routes: &Routes, request: &Request<B>) -> Response {
    let (provider, method, path) = (&*routes.provider, request.method(), request.uri().path());
    if path == "*" {
        return response::options(METHODS);
    }
    if !matches!(
        path,
        "/" | "/livez" | "/readyz" | "/metrics" | "/status" | "/ping" | "/healthcheck"
    ) {
        return response::problem(
            StatusCode::NOT_FOUND,
            "here are /, /livez, /readyz, /metrics, /status, /ping and /healthcheck",
        );
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return response::method_not_allowed(METHODS);
    }
    if matches!(path, "/" | "/status")
        && let Some(refusal) = refusal(&routes.exposure, request).await
    {
        return refusal;
    }
    match path {
        // That it is answered is the answer: a process that drains is alive.
        "/livez" => response::whole(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => readyz(&provider.readiness()),
        "/metrics" => metrics(provider),
        "/status" => status(routes).await,
        "/ping" => response::whole(StatusCode::OK, TEXT, "pong"),
        "/healthcheck" => healthcheck(&provider.readiness()),
        _ => dashboard(),
    }
}

/// What is answered to who may not see clients and events; `None`: that may be seen.
async fn refusal<B>(exposure: &Exposure, request: &Request<B>) -> Option<Response> {
    let gate = match exposure.gate.load_full() {
        Some(gate) => gate,
        None if exposure.is_loopback => return None,
        None => {
            return Some(response::problem(
                StatusCode::FORBIDDEN,
                "status and dashboard are served on a loopback address only: see `admin` in the configuration",
            ));
        }
    };
    let Some(asked) = AccessRequest::of(request) else {
        return Some(response::problem(
            StatusCode::BAD_REQUEST,
            "this path has no single meaning",
        ));
    };
    let verdict = match gate.check(&asked) {
        Check::Now(verdict) => verdict,
        // What takes time (hashes, the origin) is done on other threads, or waited for.
        Check::Later(verdict) => verdict.await,
    };
    let answer = match verdict {
        Verdict::Granted(_) => return None,
        Verdict::Denied(denial) => denial.answer,
    };
    let detail = match answer {
        Answer::Unauthorized => "this page needs valid credentials",
        Answer::Forbidden => "these credentials are not enough for this page",
        Answer::Undecided => "who may see this page can't be decided at the moment",
    };
    let mut response = response::problem(answer.status(), detail);
    let headers = response.headers_mut();
    match answer {
        Answer::Unauthorized => gate.challenges().iter().for_each(|challenge| {
            headers.append(WWW_AUTHENTICATE, challenge.clone());
        }),
        Answer::Undecided => drop(headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS)),
        Answer::Forbidden => {}
    }
    Some(response)
}

fn metrics(provider: &dyn StatusProvider) -> Response {
    let (readiness, metrics) = (provider.readiness(), provider.metrics());
    metrics.readiness(readiness.is_ready(), readiness.draining);
    response::whole(StatusCode::OK, METRICS_TYPE, metrics.render())
}

fn readyz(readiness: &Readiness) -> Response {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        ready: bool,
        reasons: Vec<&'a NotReady>,
    }
    if readiness.is_ready() {
        return response::whole(StatusCode::OK, JSON, r#"{"ready":true}"#);
    }
    let draining = NotReady {
        source: None,
        upstream: None,
        reason: "draining".to_owned(),
        detail: "the process is leaving".to_owned(),
    };
    let reasons = readiness
        .draining
        .then_some(&draining)
        .into_iter()
        .chain(&readiness.reasons)
        .collect();
    match serde_json::to_vec(&Body { ready: false, reasons }) {
        Ok(body) => response::whole(StatusCode::SERVICE_UNAVAILABLE, JSON, body),
        Err(error) => response::problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

async fn status(routes: &Routes) -> Response {
    let status = async {
        let turn = routes.status.acquire().await;
        // Before the work: by now the others wait for their turn, and the next probe is not behind
        // all of them.
        tokio::task::yield_now().await;
        (routes.provider.status().await, turn)
    };
    let Ok((status, _turn)) = tokio::time::timeout(STATUS_TIMEOUT, status).await else {
        let detail = format!("the data path has not answered within {} s", STATUS_TIMEOUT.as_secs());
        return response::problem(StatusCode::SERVICE_UNAVAILABLE, &detail);
    };
    match serde_json::to_vec_pretty(&status) {
        Ok(mut body) => {
            body.push(b'\n');
            response::whole(StatusCode::OK, JSON, body)
        }
        Err(error) => response::problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn healthcheck(readiness: &Readiness) -> Response {
    let (healthy, checks) = health::dropwizard(readiness);
    let status = if healthy {
        StatusCode::OK
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    response::whole(status, JSON, checks.to_string())
}

fn dashboard() -> Response {
    let mut response = response::whole(StatusCode::OK, HTML, DASHBOARD);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, DASHBOARD_POLICY);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::status::Status;
    use http_body_util::BodyExt as _;
    use std::future::Future;
    use std::pin::Pin;
    use tokio::time::Instant;

    /// A data path that answers after a while.
    struct Slow(Duration, Arc<Metrics>);

    impl StatusProvider for Slow {
        fn status(&self) -> Pin<Box<dyn Future<Output = Status> + Send + '_>> {
            Box::pin(async {
                tokio::time::sleep(self.0).await;
                Status {
                    version: "1",
                    uptime_seconds: 0.5,
                    draining: false,
                    reload: None,
                    upgrade: None,
                    not_in_force: Vec::new(),
                    sources: Vec::new(),
                }
            })
        }
        fn readiness(&self) -> Readiness {
            Readiness::default()
        }
        fn metrics(&self) -> &Metrics {
            &self.1
        }
    }

    fn get(path: &str) -> Request<()> {
        Request::get(path).body(()).unwrap()
    }

    fn slow(status: Duration, exposure: Exposure) -> Routes {
        Routes::new(Arc::new(Slow(status, Metrics::new())), exposure)
    }

    #[tokio::test(start_paused = true)]
    async fn a_data_path_that_does_not_answer_is_waited_for_two_seconds() {
        let began = Instant::now();
        let response = answer(
            &slow(Duration::from_secs(3600), Exposure::at(None, Arc::default())),
            &get("/status"),
        )
        .await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(began.elapsed().as_secs(), 2);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["status"], 503);
    }

    #[tokio::test(start_paused = true)]
    async fn a_data_path_that_is_slow_still_answers() {
        let response = answer(
            &slow(Duration::from_millis(1900), Exposure::at(None, Arc::default())),
            &get("/status"),
        )
        .await;
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn beyond_this_machine_there_are_health_and_metrics_alone() {
        for (address, status) in [
            ("127.0.0.1:1", 200),
            ("127.9.9.9:1", 200),
            ("[::1]:1", 200),
            ("[::ffff:127.0.0.1]:1", 200),
            ("0.0.0.0:1", 403),
            ("[::]:1", 403),
            ("192.0.2.1:1", 403),
        ] {
            let exposure = Exposure::at(Some(address.parse().unwrap()), Arc::default());
            let slow = slow(Duration::ZERO, exposure);
            for path in ["/", "/status"] {
                let response = answer(&slow, &get(path)).await;
                assert_eq!(response.status(), status, "{address}{path}");
            }
            for path in ["/livez", "/readyz", "/metrics", "/ping", "/healthcheck"] {
                let response = answer(&slow, &get(path)).await;
                assert_eq!(response.status(), 200, "{address}{path}");
            }
        }
    }

    /// No request leaves the page's server: dashboards are opened where there is no internet.
    #[test]
    fn the_dashboard_needs_nothing_from_elsewhere() {
        for outside in [
            "http://",
            "https://",
            "//cdn",
            "<link rel=\"stylesheet",
            "src=",
            "@import",
            "url(",
        ] {
            assert!(!DASHBOARD.contains(outside), "{outside}");
        }
        assert!(!DASHBOARD.contains("innerHTML"), "what the page shows may hold markup");
    }
}
