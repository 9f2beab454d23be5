//! `demo`: its arguments, and the relay that they come down to.

use super::serve::Listeners;
use crate::config::{self, Config, Cors, LISTEN, Listen};
use crate::demo::{self, CrowdSetup, Origin};
use crate::quotas::Budget;
use rustix::process::{Resource, getrlimit};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Where the origin and its page are, unless the command line says otherwise: a bookmark stays
/// true.
pub(super) const PAGE: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9081));

/// Clients at one time: the largest crowd that is offered, and people beside it. Fewer where the
/// limit on open files is lower, so that the first line is no warning.
const CLIENTS_MAX: usize = 10_100;

/// Of these, those that no crowd takes: browsers, and terminals with curl; fewer where few fit.
const PEOPLE: usize = 100;
const PEOPLE_PART: usize = 10;

/// Descriptors that are open before the relay counts its own, at most: the page, the origin, the
/// runtimes.
const OPEN_MAX: usize = 96;

/// Upstreams, each of a source without parameters: the change log, and the crowd's events.
const UPSTREAMS: usize = 2;

/// Descriptors of the crowd's process that are no client's: pipes, the poll, libraries.
const CROWD_SPARE: usize = 64;

/// What is different in the crowd's source. A client that takes nothing is evicted as soon as that can
/// be told from a bad moment; it comes back some 8 s after what it read last, with five events a
/// second some 11 s, and finds that in the log. One that leaves for 15 s comes back too late.
const CROWD_SOURCE: &str = "log: { age: 14s }, slow_client: { stall: 3s }, reconnect: 1s";

/// Over how long the ends of the streams are spread: the person at the terminal waits that long
/// after Ctrl-C.
const DRAIN_SPREAD: Duration = Duration::from_millis(200);
/// When whatever is left is cut.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// `demo`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DemoArgs {
    /// Where clients connect; may be repeated [default: 127.0.0.1:9080]
    #[arg(long, value_name = "ADDRESS", value_parser = super::serve::parse_listen)]
    pub listen: Vec<Listen>,
    /// Where health, metrics and the dashboard are [default: 127.0.0.1:7090]
    #[arg(long, value_name = "ADDRESS", value_parser = super::serve::parse_admin)]
    pub admin: Option<SocketAddr>,
    /// Where the origin and its page are [default: 127.0.0.1:9081, or any free port]
    #[arg(long, value_name = "ADDRESS", value_parser = super::serve::parse_admin)]
    pub page: Option<SocketAddr>,
}

/// The origin, running, and the configuration of the relay in front of it.
#[derive(Debug)]
pub struct Demo {
    /// The origin and its page.
    pub origin: Origin,
    /// Its sources, for this machine only unless the command line says otherwise.
    pub config: Config,
    /// The largest crowd that fits.
    pub crowd_max: usize,
}

/// Why the demo can't start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The page's address is taken, or is none of this machine's.
    #[error("the demo's page can't be at {address}: {error}; give `--page` another address")]
    Page {
        /// The address that was asked for.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The system refused a thread.
    #[error("the demo's origin can't start: {0}")]
    Origin(io::Error),
}

impl DemoArgs {
    /// Starts the origin, and makes the relay's configuration.
    pub fn start(&self) -> Result<Demo, DemoError> {
        let origin = Origin::start(self.page_listener()?).map_err(DemoError::Origin)?;
        let mut config = Config::for_upstream(&origin.stream_url(), demo::STREAM_PATH)
            .map_err(|mistakes| DemoError::Origin(io::Error::other(mistakes.to_string())))?;
        config.sources.extend(crowd_source(&origin)?);
        // The origin's page reads the relay's stream: another port is another origin to a browser.
        for source in &mut config.sources {
            Arc::make_mut(source).cors = Some(Cors::any_origin());
        }
        let fits = Fits::under(descriptors_max());
        config.limits.clients = fits.clients;
        (config.drain.spread, config.drain.timeout) = (DRAIN_SPREAD, DRAIN_TIMEOUT);
        config.listen = vec![Listen::Tcp((Ipv4Addr::LOCALHOST, LISTEN.port()).into()).into()];
        let given = Listeners {
            listen: self.listen.clone(),
            admin: self.admin,
        };
        given.override_in(&mut config);
        let crowd_max = fits.crowd;
        Ok(Demo {
            origin,
            config,
            crowd_max,
        })
    }

    /// The default port may be taken, by another demo most likely; an address that was asked for is
    /// not replaced.
    fn page_listener(&self) -> Result<TcpListener, DemoError> {
        let address = self.page.unwrap_or(PAGE);
        let bound = match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && self.page.is_none() => {
                tracing::warn!("port {} is taken: the demo's page is at a free one", address.port());
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            }
            bound => bound,
        };
        bound.map_err(|error| DemoError::Page { address, error })
    }
}

/// The source that the crowd reads.
fn crowd_source(origin: &Origin) -> Result<Vec<Arc<config::Source>>, DemoError> {
    let (name, path, url) = (demo::CROWD_SOURCE, demo::CROWD_PATH, origin.crowd_url());
    let text = format!("sources: {{ {name}: {{ path: {path}, upstream: \"{url}\", {CROWD_SOURCE} }} }}");
    let read = config::read(&text, "demo", &|_| None);
    let read = read.map_err(|mistakes| DemoError::Origin(io::Error::other(mistakes.to_string())))?;
    Ok(read.config.sources.clone())
}

/// A crowd at a relay of this process: this program, as another process.
pub fn crowd_of(relay: SocketAddr, fits: usize) -> CrowdSetup {
    CrowdSetup {
        // Also where the file has been replaced meanwhile.
        command: vec!["/proc/self/exe".into(), super::crowd::COMMAND.into()],
        relay,
        fits,
    }
}

/// Descriptors that a process may have open: the relay raises its limit so far.
fn descriptors_max() -> usize {
    let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::from(u32::MAX));
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// What fits under a limit on open files, of which the relay and the crowd each have one.
#[derive(Debug, PartialEq, Eq)]
struct Fits {
    /// Clients of the relay.
    clients: usize,
    /// Of them, of the crowd.
    crowd: usize,
}

impl Fits {
    fn under(limit: usize) -> Self {
        let clients = Budget::new(limit, OPEN_MAX, UPSTREAMS).lasting().clamp(1, CLIENTS_MAX);
        let of_crowd = clients - PEOPLE.min(clients / PEOPLE_PART);
        Self {
            clients,
            crowd: of_crowd.min(limit.saturating_sub(CROWD_SPARE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_as_large_as_descriptors_allow() {
        assert_eq!(Fits::under(1_000_000).crowd, 10_000);
        let usual = Fits::under(1024);
        assert!(
            (500..900).contains(&usual.crowd) && usual.crowd < usual.clients,
            "{usual:?}"
        );
        assert!(Fits::under(20_000).clients == CLIENTS_MAX);
        assert_eq!(Fits::under(64), Fits { clients: 1, crowd: 0 });
    }

    #[test]
    fn it_is_for_this_machine_only_unless_told_otherwise() {
        let page = Some("127.0.0.1:0".parse().expect("an address"));
        let args = DemoArgs {
            page,
            ..DemoArgs::default()
        };
        let demo = args.start().expect("a port is free");
        assert_eq!(demo.config.listen[0].address.to_string(), "127.0.0.1:9080");
        assert!(demo.config.admin.expect("an admin").ip().is_loopback());
        let listen = vec![Listen::Tcp(LISTEN)];
        let args = DemoArgs {
            listen,
            page,
            admin: None,
        };
        assert_eq!(
            args.start().expect("a port is free").config.listen,
            [Listen::Tcp(LISTEN)]
        );
    }

    #[test]
    fn an_address_that_was_asked_for_is_not_replaced() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let args = DemoArgs {
            page: taken.local_addr().ok(),
            ..DemoArgs::default()
        };
        let told = args.start().expect_err("taken").to_string();
        assert!(
            told.contains("--page") && told.contains(&taken.local_addr().expect("an address").to_string()),
            "{told}"
        );
    }

    #[test]
    fn the_default_gives_way() {
        let taken = TcpListener::bind(PAGE);
        let demo = DemoArgs::default().start().expect("any free port does");
        // Where another program has the port, it may have let go of it meanwhile.
        assert!(taken.is_err() || demo.origin.addr() != PAGE);
        assert!(demo.origin.addr().ip().is_loopback());
    }
}
