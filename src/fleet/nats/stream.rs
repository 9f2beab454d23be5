//! A source's stream: made if it is not there, looked at if it is.

use super::super::engine::{EngineError, Extent};
use super::super::lease::LEASE_TTL;
use super::names::Names;
use crate::config::{self, Source};
use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Where the numbering's name stands in a stream's metadata, on servers that have it.
const EPOCH: &str = "fanfare-epoch";
/// An instance that stood still for less finds all that has come.
const AGE_MIN: Duration = Duration::from_secs(60);
/// What a message has beside the bytes that its events have as clients get them.
const OVERHEAD: u64 = 2;
/// How long a bucket may keep a lease: two renewals may fail, and another leads before people notice.
const LEASE_AGES: RangeInclusive<Duration> = LEASE_TTL..=Duration::from_secs(60);
/// As the engine says it.
const UNBOUNDED: i64 = -1;
/// How long the engine knows again what was sent twice; not longer than it keeps messages.
const DUPLICATES: Duration = Duration::from_secs(60);

/// What a source's stream should be.
pub(super) fn wanted(fleet: &config::Fleet, source: &Source, names: &Names) -> Config {
    let limits = source.log.shared_limits();
    let events = i64::try_from(limits.events).unwrap_or(i64::MAX);
    let bytes = i64::try_from(limits.bytes.saturating_mul(OVERHEAD)).unwrap_or(UNBOUNDED);
    // Of a source with parameters the bounds are a channel's.
    let (max_messages, max_messages_per_subject, max_bytes) = match source.is_templated() {
        true => (UNBOUNDED, events, UNBOUNDED),
        false => (events, UNBOUNDED, bytes),
    };
    Config {
        name: names.stream.clone(),
        subjects: vec![names.subjects.clone()],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        num_replicas: fleet.replicas,
        max_messages,
        max_messages_per_subject,
        max_bytes,
        max_age: limits.age.max(AGE_MIN),
        duplicate_window: DUPLICATES,
        description: Some(format!("fanfare: the log of source {}", source.name)),
        deny_delete: true,
        metadata: [(EPOCH.to_owned(), crate::log::Epoch::new().name().to_owned())].into(),
        ..Config::default()
    }
}

/// The stream as it is, which is made if it is to be.
pub(super) async fn open(
    context: &Context,
    fleet: &config::Fleet,
    source: &Source,
    names: &Names,
) -> Result<(Stream, Extent), EngineError> {
    let wanted = wanted(fleet, source, names);
    let stream = match context.get_stream(&names.stream).await {
        Ok(stream) => stream,
        Err(error) if is_missing(&error) && fleet.create => match context.create_stream(&wanted).await {
            Ok(stream) => stream,
            // Another instance has made it in the same moment.
            Err(error) if exists(&error) => context.get_stream(&names.stream).await.map_err(|error| said(&error))?,
            Err(error) => return Err(said(&error)),
        },
        Err(error) if is_missing(&error) => {
            return Err(EngineError(format!(
                "there is no stream {}, and `create` is false",
                names.stream
            )));
        }
        Err(error) => return Err(said(&error)),
    };
    let info = stream.get_info().await.map_err(|error| said(&error))?;
    check(&info.config, &wanted, source)?;
    let extent = extent(&info);
    Ok((stream, extent))
}

/// Where the log begins and ends.
pub(super) fn extent(info: &Info) -> Extent {
    let state = &info.state;
    Extent {
        first: match state.messages {
            0 => state.last_sequence + 1,
            _ => state.first_sequence,
        },
        last: state.last_sequence,
        epoch: info.config.metadata.get(EPOCH).cloned(),
    }
}

/// A stream with other limits is used; one with other subjects would be another program's.
fn check(there: &Config, wanted: &Config, source: &Source) -> Result<(), EngineError> {
    if there.subjects != wanted.subjects {
        return Err(EngineError(format!(
            "the stream {} has the subjects {:?} and not {:?}: it is another's",
            there.name, there.subjects, wanted.subjects
        )));
    }
    if there.retention != RetentionPolicy::Limits {
        return Err(EngineError(format!(
            "the stream {} lets go of what has been read: its retention has to be limits",
            there.name
        )));
    }
    let limits = |config: &Config| {
        (
            config.max_messages,
            config.max_bytes,
            config.max_age,
            config.num_replicas,
        )
    };
    if limits(there) != limits(wanted) {
        let (messages, bytes, age, replicas) = limits(there);
        tracing::warn!(
            source = source.name,
            stream = there.name,
            messages,
            bytes,
            ?age,
            replicas,
            "the stream has other limits than the configuration: it is used as it is"
        );
    }
    Ok(())
}

fn is_missing(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

fn exists(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NAME_EXIST)
}

/// The bucket of leases, which is made if it is to be.
pub(super) async fn bucket(context: &Context, fleet: &config::Fleet, names: &Names) -> Result<Store, EngineError> {
    let wanted = bucket_stream(fleet, names);
    let there = match context.get_stream(&wanted.name).await {
        Ok(there) => there,
        Err(error) if is_missing(&error) && fleet.create => match context.create_stream(&wanted).await {
            Ok(made) => made,
            // Another instance has made it in the same moment.
            Err(error) if exists(&error) => context.get_stream(&wanted.name).await.map_err(|error| said(&error))?,
            Err(error) => return Err(said(&error)),
        },
        Err(error) if is_missing(&error) => {
            return Err(EngineError(format!(
                "there is no bucket {}, and `create` is false",
                names.bucket
            )));
        }
        Err(error) => return Err(said(&error)),
    };
    let age = there.cached_info().config.max_age;
    if !LEASE_AGES.contains(&age) {
        return Err(EngineError(format!(
            "the bucket {} keeps a lease for {age:?}: it has to be {LEASE_TTL:?}, so that another can lead",
            names.bucket
        )));
    }
    context.get_key_value(&names.bucket).await.map_err(|error| said(&error))
}

/// A bucket is a stream of this form. The client asks the server for more before it makes one than the
/// oldest servers answer. Without direct reads: those may be answered by a replica that is behind.
fn bucket_stream(fleet: &config::Fleet, names: &Names) -> Config {
    Config {
        name: format!("KV_{}", names.bucket),
        description: Some("fanfare: which instance leads a source".to_owned()),
        subjects: vec![format!("$KV.{}.>", names.bucket)],
        max_messages_per_subject: 1,
        max_age: LEASE_TTL,
        duplicate_window: LEASE_TTL,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        allow_rollup: true,
        deny_delete: true,
        num_replicas: fleet.replicas,
        ..Config::default()
    }
}

/// An error of the engine's, in its own words.
pub(super) fn said(error: &dyn std::fmt::Display) -> EngineError {
    EngineError(error.to_string())
}
