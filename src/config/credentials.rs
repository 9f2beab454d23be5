//! Credentials for an origin: from keys, from files, never shown.

use super::field::{Keys, row};
use super::files::file_path;
use super::item::{Item, Section};
use super::secret::Secret;
use super::shape::{Key, Shape};
use crate::redaction::MASK;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A secret's file: a password or a token, not a disk.
const FILE_BYTES_MAX: u64 = 64 << 10;

const BASIC_FORM: &str = "`username` with `password` or `password_file`";

/// Credentials for an origin.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// RFC 7617.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// RFC 6750.
    Bearer(Secret),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Credentials::Basic { username, .. } => write!(f, "Basic({username}, {MASK})"),
            Credentials::Bearer(_) => write!(f, "Bearer({MASK})"),
        }
    }
}

/// The keys of an upstream's credentials.
pub(super) const KEYS: Keys<Option<Credentials>> = Keys {
    keys,
    read,
    print: |credentials, map| {
        let mut put = |key: &str, value: &str| map.insert(key.to_owned(), value.into());
        match credentials {
            Some(Credentials::Basic { username, .. }) => {
                put("username", username);
                put("password", MASK);
            }
            Some(Credentials::Bearer(_)) => {
                put("bearer", MASK);
            }
            None => {}
        }
    },
};

fn keys() -> Vec<Key> {
    let text = |name, help| row(name, Shape::Text(&[]), help);
    vec![
        text("username", "User name for HTTP Basic authentication."),
        text("password", "Password for HTTP Basic authentication."),
        text("password_file", "A file with the password, instead of it."),
        text("bearer", "Token for Bearer authentication."),
        text("bearer_file", "A file with the token, instead of it."),
    ]
}

/// Whether any of the keys is there.
pub(super) fn are_written(section: &Section<'_>) -> bool {
    keys().iter().any(|key| section.get(key.name).is_some())
}

/// `None`: a mistake. `Some(None)`: none are given.
fn read(section: &Section<'_>) -> Option<Option<Credentials>> {
    let username = section.get("username");
    let password = secret(section, "password", "password_file");
    let bearer = secret(section, "bearer", "bearer_file");
    match (username, password?, bearer?) {
        (None, None, None) => Some(None),
        (Some(username), Some(password), None) => basic(&username, password).map(Some),
        (None, None, Some(token)) => {
            // RFC 6750, section 2.1, a little wider: what is visible and needs no quotes.
            if !token.0.bytes().all(|b| b.is_ascii_graphic()) || token.0.is_empty() {
                let what = "a bearer token that no header can carry";
                section.item.mistake(what, "visible ASCII without spaces");
                return None;
            }
            Some(Some(Credentials::Bearer(token)))
        }
        (Some(_), None, None) => {
            section.mistake_at("username", "no password", BASIC_FORM);
            None
        }
        (None, Some(_), None) => {
            let written = |key: &&&str| section.present(key).is_some();
            let key = ["password", "password_file"].iter().find(written).copied();
            section.mistake_at(key.unwrap_or("password"), "no user name", BASIC_FORM);
            None
        }
        _ => {
            section
                .item
                .mistake("Basic and Bearer credentials at once", "one of them");
            None
        }
    }
}

/// Basic credentials, if a header can carry them.
pub(super) fn basic(username: &Item<'_>, password: Secret) -> Option<Credentials> {
    let name = username.text("a user name")?;
    // RFC 7617, section 2.
    if name.contains(':') || name.chars().chain(password.0.chars()).any(char::is_control) {
        username.mistake(
            "credentials that can't be sent",
            "no `:` in the user name, no control characters in either",
        );
        return None;
    }
    let username = name.to_owned();
    Some(Credentials::Basic { username, password })
}

/// A secret, or the one in a file. `None`: a mistake. `Some(None)`: neither is given.
pub(super) fn secret(section: &Section<'_>, key: &'static str, file_key: &'static str) -> Option<Option<Secret>> {
    match (section.get(key), section.get(file_key)) {
        (Some(item), None) => item.secret_text().map(|text| Some(Secret(text.to_owned()))),
        (None, Some(item)) => secret_file(&item).map(|(_, secret)| Some(secret)),
        (None, None) => Some(None),
        (Some(_), Some(_)) => {
            section.mistake_at(file_key, format!("beside `{key}`"), "one of them");
            None
        }
    }
}

/// The secret in a file, and where that is.
pub(super) fn secret_file(item: &Item<'_>) -> Option<(PathBuf, Secret)> {
    let path = file_path(item)?;
    match secret_in(&path) {
        Ok(secret) => Some((path, secret)),
        Err(why) => {
            item.mistake(format!("{} {why}", item.found()), "a file with the secret");
            None
        }
    }
}

/// The secret in a file, or what is wrong with the file.
pub(super) fn secret_in(path: &Path) -> Result<Secret, String> {
    let text = read_bounded(path).map_err(|why| format!("can't be read: {why}"))?;
    // The line end that editors add, and `echo`.
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err("is empty".to_owned()),
        secret => Ok(Secret(secret.to_owned())),
    }
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}
