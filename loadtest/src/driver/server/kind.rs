//! What can be tested, and what each can do.

use super::programs::{self, Programs};
use crate::driver::plan::{Plan, Scenario};
use crate::driver::wire::Wire;

/// What can be tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    Fanfare,
    /// Another build of fanfare, to compare with.
    Before,
    Naive,
    Floor,
    /// The clients straight at the origin, with nothing between.
    Origin,
    /// The relay behind nginx.
    Nginx,
    Nchan,
    DurableStreams,
    Pushpin,
    Command(CommandServer),
}

/// A server that is given as a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandServer {
    pub(super) name: String,
    /// Run by `sh -c`; `{origin}` is the origin's URL, `{port}` a free port.
    pub(super) command: String,
    /// `{port}` as above.
    pub(super) url: String,
    /// Where events are POSTed; `None`: the server reads the origin.
    pub(super) publish: Option<String>,
}

impl std::str::FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || {
            format!(
                "{text:?} is not a server: use fanfare, before, naive, floor, origin, nginx, nchan, durable-streams, pushpin, or \
                 name=NAME;command=COMMAND;url=URL[;publish=URL] (with {{origin}} and {{port}} in them)"
            )
        };
        match text {
            "fanfare" => return Ok(Server::Fanfare),
            "before" => return Ok(Server::Before),
            "naive" => return Ok(Server::Naive),
            "floor" => return Ok(Server::Floor),
            "origin" => return Ok(Server::Origin),
            "nginx" => return Ok(Server::Nginx),
            "nchan" => return Ok(Server::Nchan),
            "pushpin" => return Ok(Server::Pushpin),
            "durable-streams" => return Ok(Server::DurableStreams),
            _ => {}
        }
        let (mut name, mut command, mut url, mut publish) = (None, None, None, None);
        for setting in text.split(';') {
            let (key, value) = setting.split_once('=').ok_or_else(usage)?;
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
            Server::Before => "before",
            Server::Naive => "naive",
            Server::Floor => "floor",
            Server::Origin => "origin",
            Server::Nginx => "nginx",
            Server::Nchan => "nchan",
            Server::DurableStreams => "durable-streams",
            Server::Pushpin => "pushpin",
            Server::Command(command) => &command.name,
        }
    }

    /// Why it can't be started, if so: a program is not there.
    pub(crate) fn missing(&self, programs: &Programs) -> Option<anyhow::Error> {
        match self {
            Server::Fanfare => programs.fanfare().err(),
            Server::Before => programs.before().err(),
            Server::Naive => programs.naive().err(),
            Server::Nginx => programs.fanfare().and_then(|_| programs.nginx()).err(),
            Server::Nchan => programs.nchan().err(),
            Server::DurableStreams => programs.durable_streams().err(),
            Server::Pushpin => programs.pushpin().err(),
            Server::Command(command) => programs::command(&command.command).err(),
            // Parts of this program.
            Server::Floor | Server::Origin => None,
        }
    }

    /// Why clients can't speak this with it, if so.
    fn cannot_speak(&self, wire: Wire) -> Option<&'static str> {
        match self {
            Server::Floor | Server::Origin | Server::DurableStreams | Server::Pushpin if !wire.is_clear() => {
                Some("speaks HTTP/1.1 in clear only")
            }
            Server::Naive | Server::Nchan if wire.gzip => Some("does not compress event streams"),
            Server::Nchan if wire.http2_streams > 0 => Some("is measured over HTTP/1.1 only"),
            Server::Naive if wire.tls => Some("has no TLS"),
            Server::Command(_) if wire.tls => Some("has its own certificates: say https in its URL"),
            _ => None,
        }
    }

    /// Why this server can't do what the plan asks for, over this wire, if so.
    pub(crate) fn cannot(&self, plan: &Plan, wire: Wire) -> Option<&'static str> {
        let fanfare = matches!(self, Server::Fanfare | Server::Before);
        match plan.scenario {
            _ if self.cannot_speak(wire).is_some() => self.cannot_speak(wire),
            Scenario::RenewCertificates if !wire.tls => Some("has no certificates without TLS"),
            Scenario::FrozenStreams if wire.http2_streams < 2 => {
                Some("has one stream on a connection: none to disturb")
            }
            Scenario::Upgrade | Scenario::Million if !wire.is_clear() => Some("hands over clients in clear text only"),
            _ if fanfare => None,
            Scenario::Million if *self == Server::Floor => None,
            Scenario::Million => Some("needs fanfare, or the floor"),
            Scenario::Upgrade => Some("can't be upgraded without cutting its clients"),
            Scenario::Jobs | Scenario::IdleJobs if *self == Server::Origin => None,
            Scenario::Jobs | Scenario::IdleJobs | Scenario::Siblings | Scenario::Tree => Some("needs fanfare"),
            Scenario::ResumeStorm if matches!(self, Server::Naive | Server::Pushpin) => Some("can't resume"),
            Scenario::ResumeStorm if *self == Server::DurableStreams => Some("resumes by offsets, not by ids"),
            Scenario::EvictStorm => Some("does not evict, or does not report it"),
            Scenario::ThunderingHerd if self.is_published_to() => Some("has no origin with hints"),
            Scenario::Burst if *self == Server::Floor => Some("loses what a full socket doesn't take"),
            _ => None,
        }
    }

    /// Whether it has its events from somewhere else than our origin.
    fn is_published_to(&self) -> bool {
        match self {
            Server::Floor | Server::Nchan | Server::DurableStreams | Server::Pushpin => true,
            Server::Command(command) => command.publish.is_some(),
            Server::Fanfare | Server::Before | Server::Naive | Server::Origin | Server::Nginx => false,
        }
    }

    /// Whether it sends events of its own between those that are published, and gives several of them
    /// out as one.
    pub(crate) fn wraps_events(&self) -> bool {
        *self == Server::DurableStreams
    }

    /// Whether reconnecting clients can go on where they were.
    pub(crate) fn resumes(&self, plan: &Plan) -> bool {
        match self {
            Server::Naive | Server::DurableStreams | Server::Pushpin => false,
            Server::Floor => plan.replay_events > 0,
            _ => true,
        }
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
