//! The servers under test: how each is started, fed, and found ready.

use super::child::{self, Guarded};
use super::plan::{Plan, Scenario};
use super::source::Source;
use crate::control::Target;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_secs(15);
const READY_POLL: Duration = Duration::from_millis(25);
/// Bytes that nchan writes around an event's data: its id line, the field's name, the line ends.
const NCHAN_FIELDS_BYTES: usize = 25;
/// Where the stream is served.
const PATH: &str = "/events";
/// The same for many streams.
const JOBS_PATH: &str = "/jobs/";

/// What can be tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    Fanfare,
    Naive,
    Floor,
    /// The clients straight at the origin, with nothing between.
    Origin,
    Nchan,
    Command(CommandServer),
}

/// A server that is given as a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandServer {
    name: String,
    /// Run by `sh -c`; `{origin}` is the origin's URL, `{port}` a free port.
    command: String,
    /// `{port}` as above.
    url: String,
    /// Where events are POSTed; `None`: the server reads the origin.
    publish: Option<String>,
}

impl std::str::FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || {
            format!(
                "{text:?} is not a server: use fanfare, naive, floor, origin, nchan, or \
                 name=NAME;command=COMMAND;url=URL[;publish=URL] (with {{origin}} and {{port}} in them)"
            )
        };
        match text {
            "fanfare" => return Ok(Server::Fanfare),
            "naive" => return Ok(Server::Naive),
            "floor" => return Ok(Server::Floor),
            "origin" => return Ok(Server::Origin),
            "nchan" => return Ok(Server::Nchan),
            _ => {}
        }
        let (mut name, mut command, mut url, mut publish) = (None, None, None, None);
        for part in text.split(';') {
            let (key, value) = part.split_once('=').ok_or_else(usage)?;
            let slot = match key.trim() {
                "name" => &mut name,
                "command" => &mut command,
                "url" => &mut url,
                "publish" => &mut publish,
                _ => return Err(usage()),
            };
            *slot = Some(value.to_owned());
        }
        match (name, command, url) {
            (Some(name), Some(command), Some(url)) => Ok(Server::Command(CommandServer {
                name,
                command,
                url,
                publish,
            })),
            _ => Err(usage()),
        }
    }
}

impl Server {
    pub(crate) fn name(&self) -> &str {
        match self {
            Server::Fanfare => "fanfare",
            Server::Naive => "naive",
            Server::Floor => "floor",
            Server::Origin => "origin",
            Server::Nchan => "nchan",
            Server::Command(command) => &command.name,
        }
    }

    /// Why this server can't do what the plan asks for, if so.
    pub(crate) fn cannot(&self, plan: &Plan) -> Option<&'static str> {
        let fanfare = *self == Server::Fanfare;
        match plan.scenario {
            _ if fanfare => None,
            Scenario::Jobs if *self == Server::Origin => None,
            Scenario::Jobs | Scenario::Siblings | Scenario::Tree => Some("needs fanfare"),
            Scenario::ResumeStorm if matches!(self, Server::Naive | Server::Floor) => Some("can't resume"),
            _ => None,
        }
    }

    /// Whether reconnecting clients can go on where they were.
    pub(crate) fn resumes(&self) -> bool {
        !matches!(self, Server::Naive | Server::Floor)
    }
}

/// Where the programs are, and what they are told beyond the plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programs {
    pub(crate) fanfare: Option<PathBuf>,
    pub(crate) naive: Option<PathBuf>,
    pub(crate) nginx: Option<PathBuf>,
    /// The relay's shards and the floor's threads; `None`: one for each core.
    pub(crate) workers: Option<usize>,
    /// More lines for the relay's source, in the configuration's YAML.
    pub(crate) source_yaml: Vec<String>,
}

impl Programs {
    fn find(named: &Option<PathBuf>, beside: &str, hint: &str) -> Result<PathBuf> {
        if let Some(path) = named {
            ensure!(path.is_file(), "{} is not there", path.display());
            return Ok(path.clone());
        }
        let own = child::own_program()?;
        let path = own.parent().context("a program in no folder")?.join(beside);
        ensure!(path.is_file(), "{} is not there: {hint}", path.display());
        Ok(path)
    }
}

/// A server that runs, with what feeds it.
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) targets: Vec<Target>,
    pub(crate) source: Source,
    processes: Vec<(String, Guarded)>,
    /// The floor is source and server in one.
    source_is_server: bool,
    directory: Directory,
}

impl Running {
    /// Starts `server` for `plan`, and waits until it is ready.
    pub(crate) fn start(server: &Server, plan: &Plan, programs: &Programs) -> Result<Self> {
        let directory = Directory::new()?;
        match server {
            Server::Fanfare => fanfare(plan, programs, directory),
            Server::Naive => naive(plan, programs, directory),
            Server::Floor => floor(plan, programs, directory),
            Server::Origin => straight(plan, directory),
            Server::Nchan => nchan(plan, programs, directory),
            Server::Command(command) => by_command(command, plan, directory),
        }
    }

    /// The processes whose CPU and memory count.
    pub(crate) fn pids(&self) -> Vec<u32> {
        match self.source_is_server {
            true => vec![self.source.pid()],
            false => self.processes.iter().map(|(_, process)| process.pid()).collect(),
        }
    }

    /// An error if a process has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        for (name, process) in &mut self.processes {
            if let Some(status) = process.ended() {
                let log = std::fs::read_to_string(self.directory.log(name)).unwrap_or_default();
                let from = log.len().saturating_sub(2000);
                bail!(
                    "{name} has ended ({status}); it said:\n{}",
                    log.get(from..).unwrap_or(&log)
                );
            }
        }
        Ok(())
    }

    fn wait(&mut self, what: &str, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        while !ready() {
            self.check()?;
            ensure!(Instant::now() < deadline, "{what} is not ready after {READY_TIMEOUT:?}");
            std::thread::sleep(READY_POLL);
        }
        Ok(())
    }
}

/// The origin, as the plan wants it.
fn origin(plan: &Plan) -> Result<Source> {
    let mut arguments: Vec<String> = ["origin", "--control", "--listen", "127.0.0.1:0"]
        .map(str::to_owned)
        .to_vec();
    arguments.extend(["--size".to_owned(), plan.size_bytes.to_string()]);
    arguments.extend(["--streams".to_owned(), plan.streams.to_string()]);
    arguments.extend(plan.ids.then(|| "--ids".to_owned()));
    Source::start(&arguments)
}

fn fanfare(plan: &Plan, programs: &Programs, directory: Directory) -> Result<Running> {
    let hint = "build it with `cargo build --release`, or name it with --fanfare";
    let program = Programs::find(&programs.fanfare, "fanfare", hint)?;
    let source = origin(plan)?;
    let many = plan.scenario == Scenario::Jobs;
    let path = if many {
        format!("{JOBS_PATH}{{job}}")
    } else {
        PATH.to_owned()
    };
    let mut running = Running {
        name: "fanfare".to_owned(),
        targets: Vec::new(),
        processes: Vec::new(),
        source_is_server: false,
        directory,
        source,
    };
    let origin_url = format!("http://{}{path}", running.source.address);
    let mut upstream = origin_url;
    let mut instances = plan.instances;
    if plan.scenario == Scenario::Tree {
        let (root, _) = relay(&mut running, &program, "root", &upstream, &path, plan, programs)?;
        upstream = format!("http://{root}{path}");
    } else if plan.scenario != Scenario::Siblings {
        instances = 1;
    }
    for index in 0..instances {
        let name = format!("relay-{index}");
        let (address, _) = relay(&mut running, &program, &name, &upstream, &path, plan, programs)?;
        let path = if many {
            format!("{JOBS_PATH}{{stream}}")
        } else {
            PATH.to_owned()
        };
        running.targets.push(target(address, &path));
    }
    Ok(running)
}

/// Starts one relay and waits for its `/readyz`; returns its client and admin addresses.
fn relay(
    running: &mut Running,
    program: &Path,
    name: &str,
    upstream: &str,
    path: &str,
    plan: &Plan,
    programs: &Programs,
) -> Result<(SocketAddr, SocketAddr)> {
    let (listen, admin) = (free_address()?, free_address()?);
    let config = running.directory.path.join(format!("{name}.yaml"));
    std::fs::write(&config, relay_yaml(listen, admin, upstream, path, plan, programs))?;
    let command = [
        program.as_os_str(),
        "serve".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
    ];
    let command: Vec<OsString> = command.map(ToOwned::to_owned).to_vec();
    let process = child::other(&command, &running.directory.log(name), false)?;
    running.processes.push((name.to_owned(), process));
    running.wait(name, || status(admin, "/readyz") == Some(200))?;
    Ok((listen, admin))
}

/// The relay's configuration file.
fn relay_yaml(
    listen: SocketAddr,
    admin: SocketAddr,
    upstream: &str,
    path: &str,
    plan: &Plan,
    programs: &Programs,
) -> String {
    /// The log's defaults, which a replay may outgrow.
    const LOG_EVENTS: u64 = 10_000;
    const LOG_BYTES: u64 = 16 * 1024 * 1024;
    let events = LOG_EVENTS.max(2 * plan.replay_events);
    let bytes = LOG_BYTES.max(events.min(4 * plan.replay_events) * (plan.size_bytes as u64 + 64));
    let mut yaml = format!("listen: {listen}\nadmin: {admin}\n");
    // Writing to a String can't fail.
    if let Some(workers) = programs.workers {
        let _ = writeln!(yaml, "workers: {workers}");
    }
    let _ = writeln!(
        yaml,
        "sources:\n  load:\n    path: \"{path}\"\n    upstream: \"{upstream}\""
    );
    let _ = writeln!(
        yaml,
        "    log: {{ events: {events}, bytes: {}MiB }}",
        bytes.div_ceil(1024 * 1024)
    );
    if plan.scenario == Scenario::Jobs {
        let _ = writeln!(yaml, "    end_when: [ {{ json: /state, equals: COMPLETED }} ]");
    }
    for line in &programs.source_yaml {
        let _ = writeln!(yaml, "    {line}");
    }
    yaml
}

fn naive(plan: &Plan, programs: &Programs, directory: Directory) -> Result<Running> {
    let hint = "build it with `cargo build --release --example naive`, or name it with --naive";
    let program = Programs::find(&programs.naive, "examples/naive", hint)?;
    let source = origin(plan)?;
    let address = free_address()?;
    let upstream = format!("http://{}{PATH}", source.address);
    let listen = address.to_string();
    let command = [
        program.as_os_str(),
        "--upstream".as_ref(),
        upstream.as_ref(),
        "--listen".as_ref(),
        listen.as_ref(),
    ];
    let command: Vec<OsString> = command.map(ToOwned::to_owned).to_vec();
    one_process("naive", &command, false, address, source, directory)
}

fn floor(plan: &Plan, programs: &Programs, directory: Directory) -> Result<Running> {
    let mut arguments: Vec<String> = ["floor", "--control", "--listen", "127.0.0.1:0"]
        .map(str::to_owned)
        .to_vec();
    arguments.extend(["--size".to_owned(), plan.size_bytes.to_string()]);
    arguments.extend(["--threads".to_owned(), programs.workers.unwrap_or(0).to_string()]);
    arguments.extend(plan.ids.then(|| "--ids".to_owned()));
    let source = Source::start(&arguments)?;
    Ok(Running {
        name: "floor".to_owned(),
        targets: vec![target(source.address, PATH)],
        source,
        processes: Vec::new(),
        source_is_server: true,
        directory,
    })
}

fn straight(plan: &Plan, directory: Directory) -> Result<Running> {
    // Only its own ids let clients resume here.
    let source = origin(&Plan {
        ids: true,
        ..plan.clone()
    })?;
    let path = if plan.scenario == Scenario::Jobs {
        format!("{JOBS_PATH}{{stream}}")
    } else {
        PATH.to_owned()
    };
    Ok(Running {
        name: "origin".to_owned(),
        targets: vec![target(source.address, &path)],
        source,
        processes: Vec::new(),
        source_is_server: true,
        directory,
    })
}

fn nchan(plan: &Plan, programs: &Programs, directory: Directory) -> Result<Running> {
    let program = programs.nginx.clone().unwrap_or_else(|| "/usr/sbin/nginx".into());
    ensure!(
        program.is_file(),
        "{} is not there: apt-get install nginx libnginx-mod-nchan",
        program.display()
    );
    let address = free_address()?;
    let folder = directory.path.display();
    let descriptors = crate::control::raise_descriptor_limit();
    let connections = descriptors.saturating_sub(100);
    let config = format!(
        "daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log crit;\n\
         load_module /usr/lib/nginx/modules/ngx_nchan_module.so;\nworker_rlimit_nofile {descriptors};\n\
         events {{ worker_connections {connections}; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  \
         fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n  scgi_temp_path {folder}/scgi;\n  \
         nchan_shared_memory_size 512M;\n  keepalive_requests 1000000000;\n  server {{\n    listen {address} backlog=4096;\n    \
         location = /pub {{ nchan_publisher; nchan_channel_id load; nchan_message_buffer_length {}; \
         client_max_body_size 2m; client_body_buffer_size 2m; }}\n    \
         location = {PATH} {{ nchan_subscriber eventsource; nchan_channel_id load; }}\n  }}\n}}\n",
        1_000.max(2 * plan.replay_events),
    );
    let file = directory.path.join("nginx.conf");
    std::fs::write(&file, config)?;
    let command = [
        program.as_os_str(),
        "-p".as_ref(),
        directory.path.as_os_str(),
        "-c".as_ref(),
        file.as_os_str(),
    ];
    let command: Vec<OsString> = command.map(ToOwned::to_owned).to_vec();
    let mut process = child::other(&command, &directory.log("nchan"), true)?;
    wait_for_port(&mut process, "nchan", address)?;
    let data_bytes = plan.size_bytes.saturating_sub(NCHAN_FIELDS_BYTES);
    let source = publisher(&format!("http://{address}/pub"), data_bytes)?;
    Ok(Running {
        name: "nchan".to_owned(),
        targets: vec![target(address, PATH)],
        source,
        processes: vec![("nchan".to_owned(), process)],
        source_is_server: false,
        directory,
    })
}

fn by_command(server: &CommandServer, plan: &Plan, directory: Directory) -> Result<Running> {
    let address = free_address()?;
    let port = address.port().to_string();
    let url = server.url.replace("{port}", &port);
    let fill = |text: &str, origin: &str| text.replace("{port}", &port).replace("{origin}", origin);
    let shell = |origin: &str| -> Vec<OsString> {
        // `exec`, so that the process that is measured is the server and not its shell.
        vec![
            "/bin/sh".into(),
            "-c".into(),
            format!("exec {}", fill(&server.command, origin)).into(),
        ]
    };
    let mut running = match &server.publish {
        None => {
            let source = origin(plan)?;
            let command = shell(&format!("http://{}{PATH}", source.address));
            let target = crate::target::parse(&url)?;
            one_process(&server.name, &command, true, target.address, source, directory)?
        }
        Some(publish) => {
            let mut process = child::other(&shell(""), &directory.log(&server.name), true)?;
            let target = crate::target::parse(&fill(publish, ""))?;
            wait_for_port(&mut process, &server.name, target.address)?;
            let source = publisher(&fill(publish, ""), plan.size_bytes.saturating_sub(NCHAN_FIELDS_BYTES))?;
            Running {
                name: server.name.clone(),
                targets: Vec::new(),
                source,
                processes: vec![(server.name.clone(), process)],
                source_is_server: false,
                directory,
            }
        }
    };
    running.targets = vec![crate::target::parse(&url)?];
    Ok(running)
}

fn publisher(url: &str, data_bytes: usize) -> Result<Source> {
    let arguments = [
        "origin",
        "--control",
        "--publish",
        url,
        "--size",
        &data_bytes.to_string(),
    ];
    Source::start(&arguments.map(str::to_owned))
}

fn one_process(
    name: &str,
    command: &[OsString],
    polite: bool,
    address: SocketAddr,
    source: Source,
    directory: Directory,
) -> Result<Running> {
    let process = child::other(command, &directory.log(name), polite)?;
    let mut running = Running {
        name: name.to_owned(),
        targets: vec![target(address, PATH)],
        source,
        processes: vec![(name.to_owned(), process)],
        source_is_server: false,
        directory,
    };
    running.wait(name, || TcpStream::connect_timeout(&address, READY_TIMEOUT).is_ok())?;
    Ok(running)
}

fn wait_for_port(process: &mut Guarded, name: &str, address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + READY_TIMEOUT;
    while TcpStream::connect_timeout(&address, READY_TIMEOUT).is_err() {
        if let Some(status) = process.ended() {
            bail!("{name} ended before it was ready ({status})");
        }
        ensure!(Instant::now() < deadline, "{name} is not ready after {READY_TIMEOUT:?}");
        std::thread::sleep(READY_POLL);
    }
    Ok(())
}

fn target(address: SocketAddr, path: &str) -> Target {
    Target {
        tls: false,
        address,
        authority: address.to_string(),
        path: path.to_owned(),
    }
}

/// An address of this machine that nobody listens on. Another program can take it before the server does: then the
/// server's start fails, and says so.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The status of one GET; `None` if there is no answer.
fn status(address: SocketAddr, path: &str) -> Option<u16> {
    let mut socket = TcpStream::connect_timeout(&address, READY_TIMEOUT).ok()?;
    socket.set_read_timeout(Some(READY_TIMEOUT)).ok()?;
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut start = [0; 12];
    socket.read_exact(&mut start).ok()?;
    std::str::from_utf8(&start[9..]).ok()?.parse().ok()
}

/// A folder for configurations and logs, removed with this.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
}

impl Directory {
    fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "fanfare-loadtest-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("can't make {}", path.display()))?;
        Ok(Self { path })
    }

    fn log(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.log"))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_or_described() {
        assert_eq!("floor".parse(), Ok(Server::Floor));
        let server: Server = "name=x;command=x --listen {port} --from {origin};url=http://127.0.0.1:{port}/"
            .parse()
            .expect("valid");
        assert_eq!(server.name(), "x");
        assert!("x".parse::<Server>().is_err());
        assert!("name=x;command=y".parse::<Server>().is_err());
    }
}
