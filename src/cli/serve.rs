//! `serve`: its arguments, and the configuration that follows from them.

use super::find::{NotFound, find};
use super::machine::machine;
use crate::config::{self, Config, Content, Diagnostics, Listen, Loaded, NamedFiles, Reading};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// `serve`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeArgs {
    /// Configuration file [default: $FANFARE_CONFIG, then fanfare.yaml, then
    /// /etc/fanfare/fanfare.yaml]
    #[arg(long, value_name = "FILE", conflicts_with = "upstream")]
    pub config: Option<PathBuf>,
    /// Relay this event stream; no file is needed
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// Path at which clients find it
    #[arg(long, value_name = "PATH", requires = "upstream", default_value = "/")]
    pub path: String,
    /// Take over from the running process, without cutting a client: `handover` in the
    /// configuration is where it is found
    #[arg(long, conflicts_with = "upstream")]
    pub takeover: bool,
    /// Where to listen.
    #[command(flatten)]
    pub listeners: Listeners,
}

/// What overrides the file's listeners.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Listeners {
    /// Where clients connect, instead of what the file says; may be repeated [default:
    /// 0.0.0.0:9080]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    pub listen: Vec<Listen>,
    /// Where health, metrics and the dashboard are, instead of what the file says [default:
    /// 127.0.0.1:7090]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_admin)]
    pub admin: Option<SocketAddr>,
}

impl Listeners {
    /// Puts what was given in place of what the configuration says; again after each reload.
    pub fn override_in(&self, config: &mut Config) {
        if !self.listen.is_empty() {
            config.listen = self.listen.iter().cloned().map(Into::into).collect();
        }
        if self.admin.is_some() {
            config.admin = self.admin;
        }
    }
}

/// The configuration that `serve` starts with, and the file to read again on a reload.
#[derive(Debug, Clone)]
pub struct Configured {
    /// What was read, with the command line's overrides.
    pub loaded: Loaded,
    /// The file; `None` with `--upstream`: there is nothing to read again.
    pub file: Option<PathBuf>,
    /// What the file held before it was read.
    pub own: Content,
}

/// Why `serve` can't start; exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There is no file.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The file, or the command line in its stead, has mistakes.
    #[error(transparent)]
    Diagnostics(#[from] Diagnostics),
    /// The overrides make a configuration that can't be.
    #[error("clients and admin both at `{0}`: give `--listen` or `--admin` another address")]
    SameAddress(SocketAddr),
    /// There is nowhere to take over.
    #[error("`--takeover` needs `handover` in the configuration: the socket of the process to take over from")]
    NoHandOver,
}

impl ServeArgs {
    /// Finds and reads the configuration, and puts the overrides in.
    pub fn configure(&self) -> Result<Configured, ServeError> {
        let (loaded, file) = match &self.upstream {
            Some(url) => (Loaded::without_file(Config::for_upstream(url, &self.path)?), None),
            None => {
                let file = find(self.config.as_deref())?;
                let own = Content::of(&file);
                (config::load(&file)?, Some((file, own)))
            }
        };
        if self.takeover && loaded.config.handover.is_none() {
            return Err(ServeError::NoHandOver);
        }
        let (file, own) = file.map_or((None, Content::default()), |(file, own)| (Some(file), own));
        Ok(Configured {
            loaded: self.overridden(loaded)?,
            file,
            own,
        })
    }

    /// Reads a file again, with the same overrides; and which files it names now.
    pub(super) fn read_again(&self, file: &Path) -> (Result<Loaded, ServeError>, NamedFiles) {
        let Reading { read, files } = config::read_again(file);
        let read = read.map_err(ServeError::from);
        (read.and_then(|loaded| self.overridden(loaded)), files)
    }

    fn overridden(&self, mut loaded: Loaded) -> Result<Loaded, ServeError> {
        self.listeners.override_in(&mut loaded.config);
        let config = &loaded.config;
        match config.admin {
            Some(admin)
                if admin.port() != 0 && config.listen.iter().any(|other| other.address == Listen::Tcp(admin)) =>
            {
                Err(ServeError::SameAddress(admin))
            }
            _ => Ok(loaded.judge(&machine())?),
        }
    }
}

pub(super) fn parse_listen(text: &str) -> Result<Listen, String> {
    config::parse_listen(text).map_err(|expected| format!("expected {expected}"))
}

pub(super) fn parse_admin(text: &str) -> Result<SocketAddr, String> {
    match config::parse_listen(text) {
        Ok(Listen::Tcp(address)) => Ok(address),
        _ => Err("expected an address and port such as `127.0.0.1:7090`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(url: &str) -> ServeArgs {
        ServeArgs {
            upstream: Some(url.to_owned()),
            path: "/events".to_owned(),
            ..ServeArgs::default()
        }
    }

    #[test]
    fn an_upstream_needs_no_file() {
        let mut args = upstream("https://u:p@o.example/sse?x=1");
        args.listeners.listen = vec![Listen::Unix("/run/s".into())];
        let configured = args.configure().expect("complete");
        let config = &configured.loaded.config;
        assert_eq!(config.sources[0].paths, ["/events"]);
        let upstream = &config.sources[0].upstreams[0];
        assert_eq!(upstream.name, "o.example/sse");
        assert_eq!(
            upstream.target,
            config::Target::Urls(vec!["https://o.example/sse?x=1".to_owned()])
        );
        assert!(upstream.credentials.is_some());
        assert_eq!(config.listen, [Listen::Unix("/run/s".into())]);
        assert_eq!(config.admin, Some(config::ADMIN));
        assert_eq!(configured.file, None);
    }

    #[test]
    fn a_wrong_upstream_is_told_without_its_secret() {
        let told = upstream("ftp://u:hunter2@o/")
            .configure()
            .expect_err("a mistake")
            .to_string();
        assert!(
            told.starts_with("command line: --upstream: `ftp://***@o/` is a URL with another scheme"),
            "{told}"
        );
        assert!(!told.contains("hunter2"));
        let told = upstream("http://o/{x}").configure().expect_err("a mistake").to_string();
        assert!(told.contains("`x`"), "{told}");
    }

    #[test]
    fn overrides_may_not_collide() {
        let mut args = upstream("http://o/");
        args.listeners.admin = Some(config::LISTEN);
        assert!(matches!(args.configure(), Err(ServeError::SameAddress(_))));
    }

    #[test]
    fn an_upstream_may_not_be_the_relay_itself() {
        let mut args = upstream("http://localhost:9999/events");
        assert!(args.configure().is_ok());
        args.listeners.listen = vec![parse_listen("127.0.0.1:9999").expect("an address")];
        let told = args.configure().expect_err("a mistake").to_string();
        assert!(
            told.starts_with("command line: --upstream: `http://localhost:9999/events` is the relay's own address"),
            "{told}"
        );
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let args = ServeArgs {
            config: Some("/nowhere/f.yaml".into()),
            ..ServeArgs::default()
        };
        let told = args.configure().expect_err("a mistake").to_string();
        assert!(told.starts_with("/nowhere/f.yaml: can't be read"), "{told}");
    }
}
