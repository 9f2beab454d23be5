//! What sends events: the origin, and the floor.

pub(crate) mod changelog;
pub(crate) mod conn;
pub(crate) mod fault;
pub(crate) mod floor;
pub(crate) mod origin;
pub(crate) mod pace;
pub(crate) mod publish;
pub(crate) mod stream;
