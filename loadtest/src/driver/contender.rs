//! What takes part in a run: a server, and what clients speak with it.

use super::plan::Scenario;
use super::server::Server;
use super::wire::Wire;
use std::str::FromStr;

/// `SERVER` or `SERVER@PROTOCOL` on the command line; of a command the same with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contender {
    pub(crate) server: Server,
    /// `None`: what the scenario is for, else what the command line says for all.
    pub(crate) wire: Option<Wire>,
}

impl Contender {
    /// What the server goes by in reports. HTTP/1.1 in clear goes without saying.
    pub(crate) fn name(&self) -> String {
        match self.wire.filter(|wire| !wire.is_clear()) {
            Some(wire) => format!("{}@{wire}", self.server.name()),
            None => self.server.name().to_owned(),
        }
    }

    /// With each protocol that the scenario is for, where none was asked for.
    pub(crate) fn in_scenario(&self, scenario: Scenario) -> Vec<Self> {
        let wires: &[Wire] = match scenario {
            _ if self.wire.is_some() => &[],
            Scenario::Edge => &Wire::ALL,
            Scenario::RenewCertificates => &Wire::ENCRYPTED,
            Scenario::FrozenStreams => &[Wire::MANY_TABS],
            _ => &[],
        };
        if wires.is_empty() {
            return vec![self.clone()];
        }
        let with = |wire: &Wire| Self {
            server: self.server.clone(),
            wire: Some(*wire),
        };
        wires.iter().map(with).collect()
    }
}

impl From<Server> for Contender {
    fn from(server: Server) -> Self {
        Self { server, wire: None }
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The name comes first; behind it, a command may hold any sign.
        let (name, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let has_name = name.starts_with("name=") || !name.contains('=');
        match name.rsplit_once('@').filter(|_| has_name) {
            Some((name, wire)) => Ok(Self {
                server: format!("{name}{rest}").parse()?,
                wire: Some(wire.parse()?),
            }),
            None => text.parse().map(Server::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_name_its_protocol() {
        let contender: Contender = "fanfare@h2c-20".parse().expect("valid");
        assert_eq!(
            (contender.server.clone(), contender.name().as_str()),
            (Server::Fanfare, "fanfare@h2c-20")
        );
        assert_eq!("naive".parse::<Contender>().expect("valid").wire, None);
        assert_eq!("naive@clear".parse::<Contender>().expect("valid").name(), "naive");
        assert!("naive@spdy".parse::<Contender>().is_err());
        let command = "name=x;command=y me@home;url=http://127.0.0.1:{port}/";
        assert_eq!(command.parse::<Contender>().expect("valid").name(), "x");
        let command = "name=x@h2c-3;command=y me@home;url=http://127.0.0.1:{port}/";
        assert_eq!(command.parse::<Contender>().expect("valid").name(), "x@h2c-3");
    }

    #[test]
    fn a_scenario_knows_its_protocols() {
        let names = |text: &str, scenario| -> Vec<String> {
            let contender: Contender = text.parse().expect("valid");
            contender.in_scenario(scenario).iter().map(Contender::name).collect()
        };
        assert_eq!(
            names("nginx", Scenario::Edge),
            [
                "nginx",
                "nginx@tls",
                "nginx@h2c-1",
                "nginx@h2c-20",
                "nginx@h2-1",
                "nginx@h2-20"
            ]
        );
        assert_eq!(names("nginx@tls", Scenario::Edge), ["nginx@tls"]);
        assert_eq!(names("fanfare", Scenario::Fanout), ["fanfare"]);
    }
}
