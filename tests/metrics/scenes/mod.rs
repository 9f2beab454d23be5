//! What moves the series, scene by scene.

pub(crate) mod access;
pub(crate) mod kept;
pub(crate) mod leaving;
pub(crate) mod refusals;
pub(crate) mod reloads;
pub(crate) mod slow;
pub(crate) mod streams;
pub(crate) mod tls;
