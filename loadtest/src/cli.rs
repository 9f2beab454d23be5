//! The command line.

mod origin;

pub(crate) use origin::{FloorArgs, OriginArgs};

use crate::driver::contender::Contender;
use crate::driver::plan::{CrowdArgs, Overrides, Plan, Scenario};
use crate::driver::server::Programs;
use crate::driver::trial::Bench;
use crate::driver::wire::Wire;
use crate::target;
use crate::threshold::Threshold;
use crate::units::parse_duration;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Load tests for servers of server-sent events
#[derive(Debug, Parser)]
#[command(name = "fanfare-loadtest", version, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads the command line; a mistake in it ends the process with exit code 2.
    pub(crate) fn read() -> Self {
        let matches = Self::described().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// With the defaults that one subcommand has for options that it shares with others.
    fn described() -> clap::Command {
        Self::command().mut_subcommand("clients", |mut clients| {
            for (option, value) in Plan::of(Scenario::Clients, false).crowd_defaults() {
                clients = clients.mut_arg(option, |argument| argument.default_value(value));
            }
            clients
        })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts a server, its origin and clients, measures, and reports
    Run(RunArgs),
    /// The same clients against several servers, in turn, over several rounds
    Compare(CompareArgs),
    /// Clients against a server that runs already
    Clients(Box<ClientsArgs>),
    /// An SSE origin with a schedule, and faults on request
    Origin(OriginArgs),
    /// The bare write loop: the lower bound for the same sockets and bytes
    Floor(FloorArgs),
    /// A process of the swarm; speaks with the driver over its pipes
    #[command(hide = true)]
    Worker,
    /// Becomes another program, which ends with the driver
    #[command(hide = true)]
    Guard {
        /// Ends it with SIGTERM instead of SIGKILL
        #[arg(long)]
        polite: bool,
        #[arg(last = true, required = true)]
        program: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// What to do; several are done one after the other
    #[arg(required = true, value_enum)]
    pub(crate) scenarios: Vec<Scenario>,
    /// What to test: fanfare, before, naive, floor, origin, nginx, nchan,
    /// durable-streams, pushpin, or
    /// 'name=N;command=C;url=U[;publish=U]'; behind @ what clients speak: clear, tls, h2c-20,
    /// h2-20, gzip, tls+gzip
    #[arg(long, default_value = "fanfare")]
    pub(crate) server: Contender,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// What to test, in this order, each with @PROTOCOL behind it if it is to be another than
    /// HTTP/1.1 in clear: naive@h2c-20; more with --server [default: floor,fanfare,naive,nchan, or
    /// what the scenario is about, as far as they are there]
    #[arg(long, value_delimiter = ',')]
    pub(crate) servers: Vec<Contender>,
    /// One more server: 'name=NAME;command=COMMAND;url=URL[;publish=URL]', with {origin} and {port}
    /// in them
    #[arg(long)]
    pub(crate) server: Vec<Contender>,
    /// What to do with each
    #[arg(long, value_delimiter = ',', default_value = "fanout")]
    pub(crate) scenario: Vec<Scenario>,
    /// How often; medians are reported
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    #[command(flatten)]
    programs: ProgramArgs,
    #[command(flatten)]
    swarm: SwarmArgs,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Writes all numbers as JSON; - is stdout
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) json: Option<PathBuf>,
    /// Writes a page to look at
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) html: Option<PathBuf>,
    /// Fails on a condition: 'p99_ms>50', 'fanfare:rss_kib_per_client>2',
    /// 'cpu_us_per_delivery>1.1xfloor'
    #[arg(long, value_name = "CONDITION", help_heading = "Report")]
    pub(crate) fail_if: Vec<Threshold>,
    /// Shows nothing while it runs
    #[arg(long, help_heading = "Report")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
struct ProgramArgs {
    /// The relay; default: beside this program
    #[arg(long, value_name = "PATH", help_heading = "Servers")]
    fanfare: Option<PathBuf>,
    /// Another build of the relay, for the server `before`
    #[arg(long, value_name = "PATH", help_heading = "Servers")]
    before: Option<PathBuf>,
    /// The naive baseline; default: examples/naive beside this program
    #[arg(long, value_name = "PATH", help_heading = "Servers")]
    naive: Option<PathBuf>,
    /// nginx, which nchan is a module of; default: /usr/sbin/nginx
    #[arg(long, value_name = "PATH", help_heading = "Servers")]
    nginx: Option<PathBuf>,
    /// The server of the crate durable-streams; default: durable-streams-server in PATH
    #[arg(long, value_name = "PATH", help_heading = "Servers")]
    durable_streams: Option<PathBuf>,
    /// The relay's delivery shards, and the floor's threads; default: one for each core
    #[arg(long, help_heading = "Servers")]
    workers: Option<usize>,
    /// Cores that the server may use, as in 0,2; default: all
    #[arg(long, value_delimiter = ',', value_name = "CORES", help_heading = "Servers")]
    server_cores: Vec<usize>,
    /// One more line for the relay's source: 'heartbeat: { every: 5s }'
    #[arg(long, value_name = "YAML", help_heading = "Servers")]
    source_yaml: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SwarmArgs {
    /// Processes of the swarm; default: as descriptors and ports demand
    #[arg(long, help_heading = "Swarm")]
    pub(crate) processes: Option<usize>,
    /// Addresses to connect from; default on loopback: 127.0.0.1, 127.0.0.2, ..., one for each
    /// 2,000 clients
    #[arg(long, value_delimiter = ',', help_heading = "Swarm")]
    pub(crate) source: Vec<IpAddr>,
    /// Cores that origin and swarm may use; default: all
    #[arg(long, value_delimiter = ',', value_name = "CORES", help_heading = "Swarm")]
    pub(crate) load_cores: Vec<usize>,
    /// Speak HTTP/2, with this many streams on a connection; 0: HTTP/1.1
    #[arg(long, default_value_t = 0, help_heading = "Swarm")]
    pub(crate) http2_streams: u32,
    /// Connections under way at one time: over a server's accept queue, the kernel makes them wait
    /// for seconds
    #[arg(long, default_value_t = 1000, help_heading = "Swarm")]
    pub(crate) connecting_max: usize,
}

/// `Name: value`.
fn field(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some((name, _)) if !name.trim().is_empty() && !text.contains(['\r', '\n']) => Ok(text.to_owned()),
        _ => Err("a field looks like 'Name: value'".to_owned()),
    }
}

/// `USER:PASSWORD`.
fn user(text: &str) -> Result<String, String> {
    match text.contains(':') {
        true => Ok(text.to_owned()),
        false => Err("user and password look like USER:PASSWORD".to_owned()),
    }
}

/// The number of a process that runs.
fn pid(text: &str) -> Result<u32, String> {
    let pid = text.parse().map_err(|_| "a process is a number, as in $!".to_owned())?;
    match std::path::Path::new(&format!("/proc/{pid}")).exists() {
        true => Ok(pid),
        false => Err(format!("there is no process {pid}")),
    }
}

impl Common {
    pub(crate) fn bench(&self) -> Bench {
        Bench {
            programs: Programs {
                fanfare: self.programs.fanfare.clone(),
                before: self.programs.before.clone(),
                naive: self.programs.naive.clone(),
                nginx: self.programs.nginx.clone(),
                durable_streams: self.programs.durable_streams.clone(),
                workers: self.programs.workers,
                source_yaml: self.programs.source_yaml.clone(),
                server_cores: self.programs.server_cores.clone(),
                load_cores: self.swarm.load_cores.clone(),
            },
            processes: self.swarm.processes,
            sources: self.swarm.source.clone(),
            wire: Wire {
                tls: false,
                http2_streams: self.swarm.http2_streams,
                gzip: false,
            },
            connecting_max: self.swarm.connecting_max,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ClientsArgs {
    /// The stream; several are gone round. {client} and {stream} in it stand for numbers
    #[arg(long, required = true, value_parser = target::check)]
    pub(crate) url: Vec<String>,
    #[command(flatten)]
    pub(crate) crowd: CrowdArgs,
    /// How long to wait for all to be live, beyond what the connect rate takes
    #[arg(long, value_parser = parse_duration, default_value = "30s")]
    pub(crate) connect_timeout: Duration,
    /// Reconnect without Last-Event-ID
    #[arg(long)]
    pub(crate) no_resume: bool,
    /// Delay before a reconnect; default: what the server says, else 1s
    #[arg(long, value_parser = parse_duration)]
    pub(crate) reconnect: Option<Duration>,
    /// User and password for Basic authentication
    #[arg(long, value_name = "USER:PASSWORD", value_parser = user)]
    pub(crate) user: Option<String>,
    /// The Authorization field as it is
    #[arg(long, conflicts_with = "user")]
    pub(crate) authorization: Option<String>,
    /// One more field of the request: 'Name: value'
    #[arg(long, short = 'H', value_parser = field)]
    pub(crate) header: Vec<String>,
    /// The event type that announces a gap
    #[arg(long, default_value = "fanfare.gap")]
    pub(crate) gap_event: String,
    /// CA file (PEM); default: any certificate is accepted
    #[arg(long)]
    pub(crate) ca: Option<PathBuf>,
    /// Processes of the server, for its CPU and memory
    #[arg(long, value_parser = pid)]
    pub(crate) pid: Vec<u32>,
    #[command(flatten)]
    pub(crate) swarm: SwarmArgs,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::described().debug_assert();
    }

    /// The words of a command line, with those in apostrophes as one.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (index, part) in line.split('\'').enumerate() {
            let quoted = index % 2 == 1;
            for (index, word) in if quoted { vec![part] } else { part.split(' ').collect() }
                .iter()
                .enumerate()
            {
                if index > 0 {
                    words.push(String::new());
                }
                words.last_mut().expect("there is one").push_str(word);
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn the_readmes_lines_are_taken_and_its_scenarios_are_all() {
        const README: &str = include_str!("../README.md");
        let mut taken = 0;
        for line in README.lines().filter_map(|line| line.strip_prefix("    ")) {
            let line = line.strip_prefix("target/release/fanfare-loadtest ").unwrap_or(line);
            let words = words(line.split(" #").next().unwrap_or(line));
            let is_ours = ["run", "compare", "clients"].contains(&words.first().map_or("", String::as_str));
            if is_ours {
                let all = std::iter::once("fanfare-loadtest".to_owned()).chain(words);
                let matches = Cli::described().try_get_matches_from(all);
                assert!(
                    matches.is_ok(),
                    "{line}: {:?}",
                    matches.err().map(|error| error.to_string())
                );
                taken += 1;
            }
        }
        assert!(taken > 10, "{taken}");
        for scenario in Scenario::value_variants() {
            let name = scenario.name();
            assert!(README.contains(&format!("`{name}`")), "{name} is not in the README");
        }
    }

    #[test]
    fn the_help_of_clients_names_every_default() {
        let mut cli = Cli::described();
        let clients = cli.find_subcommand_mut("clients").expect("it is there");
        let help = clients.render_long_help().to_string();
        for (option, value) in Plan::of(Scenario::Clients, false).crowd_defaults() {
            assert!(help.contains(&format!("[default: {value}]")), "{option}: {help}");
        }
    }
}
