//! What a configuration is judged against: the machine, as far as it matters.

use std::net::IpAddr;

/// The machine on which a configuration is to run. What is not known is not judged.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Memory that the process can have, in bytes.
    pub memory_bytes: Option<u64>,
    /// The most clients that fit under the limit on open files.
    pub clients_max: Option<usize>,
    /// Its name.
    pub name: Option<String>,
    /// Whether an address is one of its own.
    pub has_address: fn(IpAddr) -> bool,
}

impl Default for Machine {
    /// Nothing is known.
    fn default() -> Self {
        Self {
            memory_bytes: None,
            clients_max: None,
            name: None,
            has_address: |_| false,
        }
    }
}
