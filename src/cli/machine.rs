//! What of this machine matters to a configuration.

use crate::config::{Config, Machine};
use crate::metrics::{memory_bytes, open_descriptors};
use crate::quotas::Budget;
use rustix::process::{Resource, getrlimit};
use std::net::{IpAddr, UdpSocket};
use std::path::Path;

/// The machine, but for the limit on open files: the relay speaks of that itself once everything is
/// bound.
pub(super) fn machine() -> Machine {
    let root = Path::new("/");
    Machine {
        memory_bytes: memory_bytes(root),
        clients_max: None,
        name: read(root, "proc/sys/kernel/hostname").map(|name| name.trim().to_owned()),
        has_address,
    }
}

/// The same with the limit, as it is for a process that is started here.
pub(super) fn machine_of(config: &Config) -> Machine {
    let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::from(u32::MAX));
    let open = open_descriptors().unwrap_or_default();
    let plain = config.sources.iter().filter(|source| !source.is_templated());
    let upstreams = plain.map(|source| source.upstreams.len()).sum();
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Machine {
        clients_max: Some(Budget::new(number(limit), number(open), upstreams).lasting()),
        ..machine()
    }
}

/// Only an address of the machine's own can be bound to.
fn has_address(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

fn read(root: &Path, file: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(root.join(file)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_the_machines_or_not() {
        assert!(has_address(IpAddr::from([127, 0, 0, 1])));
        // RFC 5737: for documentation.
        assert!(!has_address(IpAddr::from([192, 0, 2, 1])));
    }
}
