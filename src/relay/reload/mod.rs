//! Reloading: another configuration takes the place of the one in force, as a whole or not at all.
//!
//! What is to be done is a [`Plan`], and what was done is kept in the [`Record`]. It is carried out
//! in one place, `relay/in_force.rs`. How a file is read, and when, is not known here.

#[cfg(test)]
mod effects_tests;
mod plan;
mod record;

pub(super) use plan::Plan;
pub(super) use record::Record;

/// What a reload came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reloaded {
    /// The configuration is in force, but for these keys, which can't change while the process
    /// runs.
    Applied {
        /// What has changed, line by line.
        said: Vec<String>,
        /// The keys.
        not_in_force: Vec<&'static str>,
    },
    /// It is what is in force already.
    Unchanged,
    /// Nothing has changed, and why.
    Rejected(String),
    /// The process is leaving: nothing is changed any more.
    Leaving,
}
