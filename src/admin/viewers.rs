//! Those who look at the dashboard: a bounded number of event streams, all fed by one look at the
//! relay.
//!
//! Without viewers nothing is looked at. With some, the status is made once for all of them, every
//! two seconds, or less often where it takes long. A viewer that reads slowly misses looks and
//! never delays the others; one that takes nothing for half a minute loses its place.

use super::exposure::{Exposure, Shown};
use super::history::{History, SAMPLE_EVERY};
use super::overview;
use crate::auxiliary_http::response::{self, Response};
use crate::status::{Status, StatusProvider};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks take this part of the time at the most: with hundreds of thousands of clients each takes
/// the shards some time.
const LOOK_PART: u32 = 20;

/// The longest time between two looks.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(30);

/// More than any team has screens.
const VIEWERS_MAX: usize = 16;

/// Of the admin's connections viewers take this part at the most: the rest is for probes.
const CONNECTIONS_PART: usize = 4;

/// How long a viewer may take nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Comes back soon after a cut.
const RETRY: &[u8] = b"retry: 2000\n\n";

/// One for whom there is no place comes back later.
const FULL: &[u8] = b"retry: 10000\nevent: full\ndata: {}\n\n";

/// What one look has found.
struct Look {
    /// `None`: the data path has not answered.
    status: Option<Status>,
    /// What every viewer is told, as event-stream text.
    told: Bytes,
}

/// All viewers, and the history that they are shown.
pub(super) struct Viewers {
    provider: Arc<dyn StatusProvider>,
    exposure: Arc<Exposure>,
    history: Mutex<History>,
    places: Arc<Semaphore>,
    latest: watch::Sender<Option<Arc<Look>>>,
    someone_came: Notify,
}

impl Viewers {
    /// Of an admin that has so many connections.
    pub(super) fn new(provider: Arc<dyn StatusProvider>, exposure: Arc<Exposure>, connections: usize) -> Arc<Self> {
        let places = (connections / CONNECTIONS_PART).clamp(1, VIEWERS_MAX);
        Arc::new(Self {
            provider,
            exposure,
            history: Mutex::default(),
            places: Arc::new(Semaphore::new(places)),
            latest: watch::Sender::new(None),
            someone_came: Notify::new(),
        })
    }

    /// Keeps the history, for as long as it is polled.
    pub(super) async fn keep_history(&self) {
        let mut every = tokio::time::interval(SAMPLE_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let sample = self.provider.sample();
            self.history().add(sample, Instant::now(), SystemTime::now());
        }
    }

    /// Looks at the relay while there are viewers, for as long as it is polled. `look`: makes the
    /// status, or says why there is none.
    pub(super) async fn look<L: Future<Output = Result<Status, String>>>(&self, look: impl Fn() -> L) {
        loop {
            while self.latest.receiver_count() == 0 {
                self.latest.send_replace(None);
                self.someone_came.notified().await;
            }
            let began = tokio::time::Instant::now();
            let found = look().await;
            self.latest.send_replace(Some(Arc::new(self.found(found))));
            let pause = (began.elapsed() * LOOK_PART).clamp(LOOK_EVERY, LOOK_EVERY_MAX);
            tokio::time::sleep(pause).await;
        }
    }

    fn found(&self, found: Result<Status, String>) -> Look {
        match found {
            Ok(status) => {
                let overview = overview::overview(&status, &self.provider.readiness(), &self.history(), Instant::now());
                Look {
                    told: event("overview", &overview).into(),
                    status: Some(status),
                }
            }
            Err(why) => Look {
                told: event("trouble", &overview::json(&serde_json::json!({ "detail": why }))).into(),
                status: None,
            },
        }
    }

    /// The stream of one who looks, at this source in particular. `shown`: by what it was let in.
    pub(super) fn open(self: &Arc<Self>, source: Option<String>, shown: Shown) -> Response {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return response::event_stream(Full::from(FULL).map_err(|never| match never {}).boxed_unsync());
        };
        let (told, body) = mpsc::channel(1);
        let viewer = Viewer {
            viewers: self.clone(),
            source,
            shown,
            seen: 0,
            _place: place,
        };
        tokio::spawn(viewer.tell(told));
        let frames = ReceiverStream::new(body).map(|bytes| Ok(Frame::data(bytes)));
        response::event_stream(StreamBody::new(frames).boxed_unsync())
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who looks.
struct Viewer {
    viewers: Arc<Viewers>,
    source: Option<String>,
    shown: Shown,
    /// Samples of the history that it has been told of.
    seen: u64,
    _place: OwnedSemaphorePermit,
}

impl Viewer {
    /// Tells what is found, until it leaves, or may see it no more.
    async fn tell(mut self, told: mpsc::Sender<Bytes>) {
        let mut latest = self.viewers.latest.subscribe();
        // What another viewer has been told is no older than a look.
        latest.mark_changed();
        self.viewers.someone_came.notify_one();
        let mut next = Bytes::from_static(RETRY);
        loop {
            match tokio::time::timeout(PATIENCE, told.send(next)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
            next = loop {
                let changed = tokio::select! {
                    changed = latest.changed() => changed,
                    () = told.closed() => return,
                };
                if changed.is_err() || !self.viewers.exposure.still_shows(&self.shown) {
                    return;
                }
                let look = latest.borrow_and_update().clone();
                if let Some(look) = look {
                    break self.told(&look);
                }
            };
        }
    }

    /// What it is told of a look: what all are, its source, and what it has not seen of the history.
    fn told(&mut self, look: &Look) -> Bytes {
        let mut text = look.told.to_vec();
        let history = self.viewers.history();
        if let (Some(status), Some(source)) = (&look.status, &self.source) {
            text.extend(event("source", &overview::detail(status, source, &history)));
        }
        let (points, seen) = history.after(self.seen);
        if !points.is_empty() {
            text.extend(event("history", &overview::json(&points)));
        }
        self.seen = seen;
        text.into()
    }
}

/// `data` has no line breaks.
fn event(name: &str, data: &str) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::status::{ClientDetails, Readiness, Sample, WantedClient};
    use std::cell::Cell;
    use std::pin::Pin;

    struct Nothing(Arc<Metrics>);

    impl StatusProvider for Nothing {
        fn status(&self) -> Pin<Box<dyn Future<Output = Status> + Send + '_>> {
            Box::pin(std::future::ready(status()))
        }
        fn clients_at(&self, _: WantedClient) -> Pin<Box<dyn Future<Output = Vec<ClientDetails>> + Send + '_>> {
            Box::pin(std::future::ready(Vec::new()))
        }
        fn readiness(&self) -> Readiness {
            Readiness::default()
        }
        fn metrics(&self) -> &Metrics {
            &self.0
        }
        fn sample(&self) -> Sample {
            Sample::default()
        }
    }

    fn status() -> Status {
        Status {
            version: "1",
            ..Status::default()
        }
    }

    fn viewers() -> Arc<Viewers> {
        let exposure = Arc::new(Exposure::at(None, Arc::default()));
        Viewers::new(Arc::new(Nothing(Metrics::new())), exposure, 8)
    }

    /// What comes next on a stream.
    async fn next(response: &mut Response) -> String {
        let frame = response.body_mut().frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    }

    async fn open(viewers: &Arc<Viewers>) -> Response {
        viewers.open(
            None,
            viewers.exposure.show(&hyper::Request::new(())).await.ok().unwrap(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_nothing_loses_its_place_and_delays_no_other() {
        let viewers = viewers();
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            async { Ok(status()) }
        };
        let story = async {
            let (mut stuck, mut other) = (open(&viewers).await, open(&viewers).await);
            assert!(next(&mut other).await.contains("retry: 2000"));
            assert_eq!(viewers.places.available_permits(), 0);
            let began = tokio::time::Instant::now();
            while viewers.places.available_permits() == 0 {
                assert!(next(&mut other).await.contains("event: overview"));
                assert!(began.elapsed() < PATIENCE * 3);
            }
            assert!(began.elapsed() >= PATIENCE);
            // What was there for it is there still; then its stream ends.
            assert!(next(&mut stuck).await.contains("retry: 2000"));
            while let Some(frame) = stuck.body_mut().frame().await {
                frame.unwrap();
            }
            drop(other);
            tokio::time::sleep(LOOK_EVERY * 2).await;
            let before = looks.get();
            tokio::time::sleep(LOOK_EVERY_MAX).await;
            assert_eq!(looks.get(), before, "nothing is looked at without viewers");
        };
        tokio::select! {
            () = viewers.look(look) => {}
            () = story => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn looks_that_take_long_are_made_less_often() {
        let viewers = viewers();
        let took = Duration::from_millis(500);
        let look = || async {
            tokio::time::sleep(took).await;
            Err("it has not answered".to_owned())
        };
        let story = async {
            let mut viewer = open(&viewers).await;
            next(&mut viewer).await;
            assert!(
                next(&mut viewer)
                    .await
                    .contains("event: trouble\ndata: {\"detail\":\"it has not")
            );
            let began = tokio::time::Instant::now();
            next(&mut viewer).await;
            assert_eq!(began.elapsed(), took * LOOK_PART + took);
        };
        tokio::select! {
            () = viewers.look(look) => {}
            () = story => {}
        }
    }
}
