//! Interim answers (1xx; RFC 9110, 15.2) come before the answer, are read and passed over. Nothing
//! bounds their number: an origin that sent no others would keep the thread that reads them, and
//! with it everyone else's streams.

use hyper::Request;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Interim answers to one request: far more than those who send hints or signs of progress do.
pub(super) const INTERIM_MAX: usize = 100;

/// The interim answers to one request so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interim(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    seen: AtomicUsize,
    too_many: Notify,
}

impl Interim {
    /// Counts those that come after this request.
    pub(crate) fn to<B>(request: &mut Request<B>) -> Self {
        let interim = Self::default();
        let counted = interim.clone();
        hyper::ext::on_informational(request, move |_| counted.count());
        interim
    }

    fn count(&self) {
        if self.0.seen.fetch_add(1, Ordering::Relaxed) == INTERIM_MAX {
            self.0.too_many.notify_one();
        }
    }

    /// Returns once there are too many.
    pub(crate) async fn too_many(&self) {
        self.0.too_many.notified().await;
    }

    /// An error if there are too many.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.0.seen.load(Ordering::Relaxed) > INTERIM_MAX {
            true => Err(io::Error::new(io::ErrorKind::InvalidData, Self::TOO_MANY)),
            false => Ok(()),
        }
    }

    /// What is said of an origin that sends too many.
    pub(crate) const TOO_MANY: &'static str = "interim answers without end";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_few_are_taken_and_not_any_number() {
        let interim = Interim::default();
        for _ in 0..INTERIM_MAX {
            interim.count();
        }
        assert!(interim.check().is_ok());
        interim.count();
        assert!(interim.check().is_err());
        interim.too_many().await;
    }
}
