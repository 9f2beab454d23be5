//! The log that several instances share: where its engine is, and how it is used.

use super::codec::Custom;
use super::codec::{AtLeastOne, Count, Flag, SOME_DURATION, Size, Text, Word, number};
use super::credentials::{secret, secret_file, secret_in};
use super::field::{Keys, Presence as _, row};
use super::files::{CERTIFICATES, PRIVATE_KEY, file_path, print_path};
use super::item::Section;
use super::secret::Secret;
use super::shape::Shape;
use super::table::{nested, section};
use crate::redaction::MASK;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

const NATS_FORM: &str = "a URL such as `nats://10.0.0.5:4222`";

/// What the engine takes as a part of its names, and what can't be a wildcard.
const NAME_FORM: &str = "a name of letters, digits, `-` and `_`, at most 32";
const NAME_BYTES_MAX: usize = 32;
/// For log lines and the holder of a lease.
const INSTANCE_FORM: &str = "a name of visible characters, at most 128";
const INSTANCE_BYTES_MAX: usize = 128;

section! {
    /// The log that several instances share, for sources that say `fleet: true`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Fleet {
        /// Where the engine's servers are; one, or a list. `tls://` asks for TLS.
        pub nats: Vec<String> = AtLeastOne(NATS, NATS_FORM).needed(NATS_FORM),
        /// A file with credentials, as NATS' tools write it: a JWT and its key, or a key alone. It is read
        /// anew for each connection.
        pub credentials_file: Option<PathBuf> = ANY_FILE.optional(),
        /// A user name, with `password` or `password_file`; instead of `credentials_file`.
        pub user: Option<String> = USER.optional(),
        /// The password.
        pub password: Option<FleetPassword> = PASSWORD,
        /// TLS towards the engine.
        pub tls: FleetTls = nested().or("{}"),
        /// This instance's name: another one at each.
        pub instance: String = INSTANCE.needed(INSTANCE_FORM),
        /// Copies that the engine keeps of each stream: 1 for a single server.
        pub replicas: usize = number(Count(1..=5)).or("3"),
        /// What the names of streams, subjects and the bucket of leases begin with.
        pub name: String = NAME.or("fanfare"),
        /// Whether streams and bucket are made if they are not there.
        pub create: bool = Flag.or("true"),
        /// How long the engine may take for an answer.
        pub append_timeout: Duration = SOME_DURATION.or("5s"),
        /// How much the leader of a source keeps of what it reads while the engine takes none of it.
        pub buffer: u64 = Size(64 << 10..=1 << 40).or("16MiB"),
        /// What happens while the engine is away: clients wait, or each instance goes on alone.
        pub when_away: WhenAway = Word(&[("hold", WhenAway::Hold), ("local", WhenAway::Local)]).or("hold"),
    }
    check = check;
}

/// What happens while the engine is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAway {
    /// Clients keep their streams, and get nothing until it is back.
    Hold,
    /// Each instance connects to the origins itself, and numbers what comes under a name of its own.
    Local,
}

/// The password towards the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FleetPassword {
    /// As it is written.
    Written(Secret),
    /// In this file.
    File(PathBuf),
}

impl FleetPassword {
    /// The password as it is now. The error names the file, and nothing that is in it.
    pub fn read(&self) -> Result<Secret, String> {
        match self {
            Self::Written(secret) => Ok(secret.clone()),
            Self::File(path) => secret_in(path).map_err(|why| format!("{} {why}", path.display())),
        }
    }
}

section! {
    /// TLS towards the engine. The files are read anew for each connection.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct FleetTls {
        /// PEM file of the roots to trust instead of the system's.
        pub ca: Option<PathBuf> = CERTIFICATES.optional(),
        /// PEM file of the client certificate chain.
        pub cert: Option<PathBuf> = CERTIFICATES.optional(),
        /// PEM file of the client certificate's key.
        pub key: Option<PathBuf> = PRIVATE_KEY.optional(),
    }
    check = both_or_none;
}

fn both_or_none(section: &Section<'_>, _: Option<&mut FleetTls>) {
    if section.get("cert").is_some() != section.get("key").is_some() {
        section.item.mistake("only one of `cert` and `key`", "both, or none");
    }
}

const NATS: Text<String> = Text {
    form: NATS_FORM,
    examples: &["nats://10.0.0.5:4222", "tls://nats.example.com"],
    parse: |text| {
        let url = Url::parse(text).map_err(|_| "")?;
        match url.scheme() {
            "nats" | "tls" => {}
            _ => return Err("a URL with another scheme"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL with credentials: they belong into `user` and `password`");
        }
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        match url.host_str() {
            Some(host) if !host.is_empty() && is_bare => Ok(text.trim_end_matches('/').to_owned()),
            _ => Err(""),
        }
    },
    show: String::clone,
};

const INSTANCE: Text<String> = Text {
    form: INSTANCE_FORM,
    examples: &["relay-1"],
    parse: |text| {
        let is_visible = !text.is_empty() && !text.chars().any(char::is_control) && text.trim() == text;
        match is_visible && text.len() <= INSTANCE_BYTES_MAX {
            true => Ok(text.to_owned()),
            false => Err(""),
        }
    },
    show: String::clone,
};

const NAME: Text<String> = Text {
    form: NAME_FORM,
    examples: &["fanfare"],
    parse: |text| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        match !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(is_plain) {
            true => Ok(text.to_owned()),
            false => Err(""),
        }
    },
    show: String::clone,
};

const USER: Text<String> = Text {
    form: "a user name",
    examples: &["relay"],
    parse: |text| match text.is_empty() || text.chars().any(char::is_control) {
        true => Err(""),
        false => Ok(text.to_owned()),
    },
    show: String::clone,
};

const ANY_FILE: Custom<PathBuf> = Custom {
    shape: || Shape::Text(&["/none.creds"]),
    read: |item| {
        let path = file_path(item)?;
        match std::fs::File::open(&path) {
            Ok(_) => Some(path),
            Err(error) => {
                item.mistake(
                    format!("{} can't be read: {error}", item.found()),
                    "a file with credentials",
                );
                None
            }
        }
    },
    print: print_path,
};

const PASSWORD: Keys<Option<FleetPassword>> = Keys {
    keys: || {
        vec![
            row("password", Shape::Text(&[]), "Password for `user`."),
            row(
                "password_file",
                Shape::Text(&[]),
                "A file with the password, instead of it. It is read anew for each connection.",
            ),
        ]
    },
    read: |section| match (section.get("password"), section.get("password_file")) {
        (None, Some(item)) => secret_file(&item).map(|(path, _)| Some(FleetPassword::File(path))),
        _ => secret(section, "password", "password_file").map(|secret| secret.map(FleetPassword::Written)),
    },
    print: |password, map| {
        let (key, value) = match password {
            None => return,
            Some(FleetPassword::Written(_)) => ("password", Some(MASK.into())),
            Some(FleetPassword::File(path)) => ("password_file", print_path(path)),
        };
        map.extend(value.map(|value| (key.to_owned(), value)));
    },
};

fn check(section: &Section<'_>, fleet: Option<&mut Fleet>) {
    let has = |key: &str| section.present(key).is_some();
    let has_password = has("password") || has("password_file");
    if has("user") != has_password {
        section
            .item
            .mistake("only one of `user` and a password", "both, or neither");
    }
    if has("user") && has("credentials_file") {
        section.mistake_at("credentials_file", "beside `user`", "one of them");
    }
    let Some(fleet) = fleet else { return };
    if fleet.password.is_some() && fleet.nats.iter().any(|url| !url.starts_with("tls:")) && fleet.tls.ca.is_none() {
        section.warn_at(
            "password",
            "sent in clear text: `nats` names no `tls://`, and `tls` no `ca`",
        );
    }
}
