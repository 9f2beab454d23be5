//! The lease as a key of a bucket whose entries expire.

use super::super::lease::LeaseAnswer;
use async_nats::jetstream::kv::{CreateErrorKind, Operation, Store, UpdateErrorKind};
use bytes::Bytes;

/// Asks for a lease, or renews it from a revision on. `holder`: who asks, which no other process says.
pub(super) async fn hold(store: &Store, key: &str, holder: &Bytes, revision: Option<u64>) -> LeaseAnswer {
    if let Some(revision) = revision {
        match store.update(key, holder.clone(), revision).await {
            Ok(revision) => return LeaseAnswer::Held(revision),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {}
            Err(_) => return LeaseAnswer::Away,
        }
    }
    match store.create(key, holder.clone()).await {
        Ok(revision) => LeaseAnswer::Held(revision),
        Err(error) if error.kind() == CreateErrorKind::AlreadyExists => own(store, key, holder).await,
        Err(_) => LeaseAnswer::Away,
    }
}

/// Whose it is: one's own, if the answer was lost by which it was given.
async fn own(store: &Store, key: &str, holder: &Bytes) -> LeaseAnswer {
    match store.entry(key).await {
        Ok(Some(entry)) if entry.operation == Operation::Put && entry.value == holder => {
            LeaseAnswer::Held(entry.revision)
        }
        Ok(_) => LeaseAnswer::Other,
        Err(_) => LeaseAnswer::Away,
    }
}
