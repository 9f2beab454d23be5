//! The primitives of hand-written synchronisation: the standard library's, or the model checker's under `cfg(loom)`.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

#[cfg(loom)]
pub(crate) use loom::sync::mpsc;
#[cfg(not(loom))]
pub(crate) use std::sync::mpsc;
