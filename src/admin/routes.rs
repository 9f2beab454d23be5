//! Which path answers what.

use super::exposure::{Exposure, Shown};
use super::viewers::Viewers;
use super::{health, page, query};
use crate::auxiliary_http::Handler;
use crate::auxiliary_http::response::{self, JSON, Response, TEXT};
use crate::status::{ClientDetails, NotReady, Readiness, Status, StatusProvider};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How often the histograms' samples are sorted into buckets; until then each of them takes 16
/// bytes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// How long `/status` waits for the data path. After that the client learns that there is no
/// answer, and can ask again.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// The text format of Prometheus, by its version.
const METRICS_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");

const METHODS: &str = "GET, HEAD";

/// What is here.
const PATHS: [&str; 8] = [
    "/",
    "/livez",
    "/readyz",
    "/metrics",
    "/status",
    "/status/stream",
    "/ping",
    "/healthcheck",
];

/// What shows clients and events.
const GUARDED: [&str; 3] = ["/", "/status", "/status/stream"];

/// What is served, and of what.
pub(super) struct Routes {
    provider: Arc<dyn StatusProvider>,
    exposure: Arc<Exposure>,
    viewers: Arc<Viewers>,
    /// Statuses are made one at a time: no probe waits behind a crowd of them.
    status: Semaphore,
}

impl Routes {
    /// Of an admin that has so many connections.
    pub(super) fn new(provider: Arc<dyn StatusProvider>, exposure: Exposure, connections: usize) -> Self {
        let exposure = Arc::new(exposure);
        Self {
            viewers: Viewers::new(provider.clone(), exposure.clone(), connections),
            provider,
            exposure,
            status: Semaphore::new(1),
        }
    }

    /// The status, or why there is none.
    async fn status(&self) -> Result<Status, String> {
        self.in_turn(self.provider.status()).await
    }

    /// What the data path tells, or why it does not.
    async fn in_turn<T>(&self, told: impl Future<Output = T>) -> Result<T, String> {
        let told = async {
            let turn = self.status.acquire().await;
            // Before the work: by now the others wait for their turn, and the next probe is not
            // behind all of them.
            tokio::task::yield_now().await;
            (told.await, turn)
        };
        match tokio::time::timeout(STATUS_TIMEOUT, told).await {
            Ok((told, _turn)) => Ok(told),
            Err(_) => Err(format!(
                "the data path has not answered within {} s",
                STATUS_TIMEOUT.as_secs()
            )),
        }
    }
}

impl Handler for Routes {
    async fn handle(&self, request: hyper::Request<Incoming>) -> Response {
        answer(self, &request).await
    }

    async fn background(&self) {
        let upkeep = async {
            let mut upkeep = tokio::time::interval(UPKEEP_EVERY);
            upkeep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                upkeep.tick().await;
                self.provider.metrics().run_upkeep();
            }
        };
        tokio::join!(upkeep, self.viewers.keep_history(), self.viewers.look(|| self.status()));
    }
}

/// Answers a request for `path`. HEAD is answered as GET; hyper leaves the body out.
async fn answer<B>(routes: &Routes, request: &Request<B>) -> Response {
    let (provider, method, path) = (&*routes.provider, request.method(), request.uri().path());
    if path == "*" {
        return response::options(METHODS);
    }
    if !PATHS.contains(&path) {
        let (last, others) = PATHS.split_last().unwrap_or((&"", &[]));
        let detail = format!("here are {} and {last}", others.join(", "));
        return response::problem(StatusCode::NOT_FOUND, &detail);
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return response::method_not_allowed(METHODS);
    }
    if GUARDED.contains(&path) {
        return match routes.exposure.show(request).await {
            Ok(shown) => guarded(routes, request, shown).await,
            Err(refusal) => refusal,
        };
    }
    match path {
        // That it is answered is the answer: a process that drains is alive.
        "/livez" => response::whole(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => readyz(&provider.readiness()),
        "/metrics" => metrics(provider),
        "/ping" => response::whole(StatusCode::OK, TEXT, "pong"),
        _ => healthcheck(&provider.readiness()),
    }
}

/// Answers who may see clients and events.
async fn guarded<B>(routes: &Routes, request: &Request<B>, shown: Shown) -> Response {
    let asked = match query::Asked::of(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(wrong) => return response::problem(StatusCode::BAD_REQUEST, &wrong),
    };
    match request.uri().path() {
        "/" => page::dashboard(),
        // A stream has no length that HEAD could tell.
        "/status/stream" if *request.method() == Method::HEAD => response::event_stream(response::empty()),
        "/status/stream" => routes.viewers.open(asked.source, shown),
        _ => status(routes, asked).await,
    }
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

/// All of the status, or what is asked for of it.
async fn status(routes: &Routes, asked: query::Asked) -> Response {
    #[derive(serde::Serialize)]
    struct Clients {
        clients: Vec<ClientDetails>,
    }
    if let Some(client) = asked.client {
        let found = routes.in_turn(routes.provider.clients_at(client)).await;
        let mut clients = match found {
            Ok(clients) => clients,
            Err(why) => return response::problem(StatusCode::SERVICE_UNAVAILABLE, &why),
        };
        clients.retain(|client| asked.source.as_ref().is_none_or(|source| client.source == *source));
        return pretty(&Clients { clients });
    }
    let mut status = match routes.status().await {
        Ok(status) => status,
        Err(why) => return response::problem(StatusCode::SERVICE_UNAVAILABLE, &why),
    };
    if let Some(name) = asked.source {
        status.sources.retain(|source| source.name == name);
        if status.sources.is_empty() {
            return response::problem(StatusCode::NOT_FOUND, "there is no source of this name");
        }
    }
    pretty(&status)
}

fn pretty(value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec_pretty(value) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::status::{Sample, WantedClient};
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
                    ..Status::default()
                }
            })
        }
        fn readiness(&self) -> Readiness {
            Readiness::default()
        }
        fn metrics(&self) -> &Metrics {
            &self.1
        }
        fn sample(&self) -> Sample {
            Sample::default()
        }
        fn clients_at(&self, _: WantedClient) -> Pin<Box<dyn Future<Output = Vec<ClientDetails>> + Send + '_>> {
            Box::pin(std::future::ready(Vec::new()))
        }
    }

    fn get(path: &str) -> Request<()> {
        Request::get(path).body(()).unwrap()
    }

    fn slow(status: Duration, exposure: Exposure) -> Routes {
        Routes::new(Arc::new(Slow(status, Metrics::new())), exposure, 8)
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
            for path in GUARDED {
                let response = answer(&slow, &get(path)).await;
                assert_eq!(response.status(), status, "{address}{path}");
            }
            for path in ["/livez", "/readyz", "/metrics", "/ping", "/healthcheck"] {
                let response = answer(&slow, &get(path)).await;
                assert_eq!(response.status(), 200, "{address}{path}");
            }
        }
    }
}
