//! Why a relay can't start, and what would help.

use super::handover::TakeOverError;
use crate::config::{ClientListener, Listen};
use crate::handover::ControlError;
use crate::kept::DirectoryError;
use crate::net::TlsError;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// Everything that can fail at start, and where.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be listened on.
    #[error("can't listen for {listener}: {error}{help}", help = help(.listener, .error))]
    Bind {
        /// Which listener, and its address as configured.
        listener: ListenerName,
        /// Why.
        error: io::Error,
    },
    /// The TLS of a listener can't be set up: a file has changed since the configuration was read.
    #[error("no TLS at {listener}: {error}")]
    Tls {
        /// The listener's address.
        listener: String,
        /// Why.
        error: TlsError,
    },
    /// The control socket can't be had.
    #[error("no hand-over")]
    Control(#[from] ControlError),
    /// There is no control socket to find another process by.
    #[error("`--takeover` needs `handover` in the configuration: the socket of the process to take over from")]
    NoHandOver,
    /// Another process goes on as if nothing had been.
    #[error(transparent)]
    TakeOver(#[from] TakeOverError),
    /// A directory for logs can't be used.
    #[error("can't start: {0}")]
    LogDir(#[from] DirectoryError),
    /// There is no engine for a log that instances share.
    #[error("can't start: {0}")]
    Fleet(String),
    /// The system refused a thread or a poll.
    #[error("can't start: {0}")]
    System(#[from] io::Error),
}

/// A listener as the operator has written it.
#[derive(Debug, Clone)]
pub enum ListenerName {
    /// One for clients.
    Clients {
        /// Where.
        address: Listen,
        /// Its entry in `listen`, from 1; 0 where it is the only one.
        entry: usize,
    },
    /// The admin's.
    Admin(SocketAddr),
}

impl ListenerName {
    /// The names of all listeners for clients, in the order of the configuration.
    pub(super) fn of_clients(listen: &[ClientListener]) -> impl Iterator<Item = Self> + '_ {
        let first = usize::from(listen.len() > 1);
        listen.iter().enumerate().map(move |(n, listener)| Self::Clients {
            address: listener.address.clone(),
            entry: (n + 1) * first,
        })
    }
}

impl fmt::Display for ListenerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clients { address, entry: 0 } => write!(f, "clients at {address} (`listen` or `--listen`)"),
            Self::Clients { address, entry } => {
                write!(f, "clients at {address} (`listen` or `--listen`, entry {entry})")
            }
            Self::Admin(address) => write!(f, "the admin at {address} (`admin` or `--admin`)"),
        }
    }
}

/// What to do about it, where the kind of the error tells.
fn help(listener: &ListenerName, error: &io::Error) -> String {
    let tcp = match listener {
        ListenerName::Admin(address)
        | ListenerName::Clients {
            address: Listen::Tcp(address),
            ..
        } => Some(address),
        ListenerName::Clients {
            address: Listen::Unix(_),
            ..
        } => None,
    };
    match (error.kind(), tcp) {
        (ErrorKind::AddrInUse, Some(address)) => format!(
            "; another process has the port (`ss -ltnp 'sport = :{}'` names it): end it, or choose another",
            address.port()
        ),
        (ErrorKind::AddrInUse, None) => {
            "; another process listens there, or the path is no socket: end it, or choose another path".to_owned()
        }
        (ErrorKind::AddrNotAvailable, _) => "; no interface of this machine has the address".to_owned(),
        (ErrorKind::PermissionDenied, Some(address)) if address.port() < 1024 => {
            "; ports below 1024 take CAP_NET_BIND_SERVICE (`AmbientCapabilities=` in a unit) or a higher port"
                .to_owned()
        }
        (ErrorKind::PermissionDenied | ErrorKind::NotFound, None) => {
            "; its directory has to exist, and to be writable for the relay's user".to_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_listen;

    #[test]
    fn an_error_names_the_listener_and_what_helps() {
        let listen = |text| parse_listen(text).expect("an address").into();
        let both = [listen("127.0.0.1:9080"), listen("unix:/run/s")];
        let [first, second] = [0, 1].map(|n| ListenerName::of_clients(&both).nth(n).expect("two"));
        let only = ListenerName::of_clients(&both[..1]).next().expect("one");
        let admin = ListenerName::Admin("127.0.0.1:90".parse().expect("an address"));
        for (listener, kind, wanted) in [
            (
                &only,
                ErrorKind::AddrInUse,
                "clients at 127.0.0.1:9080 (`listen` or `--listen`): ",
            ),
            (&only, ErrorKind::AddrInUse, "sport = :9080"),
            (&first, ErrorKind::AddrNotAvailable, "`--listen`, entry 1): "),
            (&first, ErrorKind::AddrNotAvailable, "no interface"),
            (
                &second,
                ErrorKind::AddrInUse,
                "clients at unix:/run/s (`listen` or `--listen`, entry 2): ",
            ),
            (&second, ErrorKind::AddrInUse, "choose another path"),
            (&second, ErrorKind::NotFound, "directory"),
            (
                &admin,
                ErrorKind::PermissionDenied,
                "the admin at 127.0.0.1:90 (`admin` or `--admin`): ",
            ),
            (&admin, ErrorKind::PermissionDenied, "CAP_NET_BIND_SERVICE"),
        ] {
            let listener = listener.clone();
            let told = StartError::Bind {
                listener,
                error: kind.into(),
            }
            .to_string();
            assert!(told.contains(wanted), "{wanted} in {told}");
        }
    }
}
