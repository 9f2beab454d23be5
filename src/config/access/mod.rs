//! Who may read: a list of ways in, of which any one lets in.
//!
//! What their files hold belongs to the configuration: it is read and checked with it, mistakes are
//! told with the file's own lines, and a configuration read again differs if a file does.

mod ask;
mod jwt;
mod key;
mod keys;
mod lines;
mod tokens;
mod users;

pub use ask::AskAccess;
pub use jwt::JwtAccess;
pub use key::{JwtAlgorithm, JwtKey};
pub use keys::{SignedAccess, read_signing_keys};
pub use lines::{NamedSecret, NamedSecrets};
pub use tokens::BearerAccess;
pub use users::{BasicAccess, PasswordHash};

use super::codec::{Codec as _, Custom};
use super::field::{Keys, Presence as _, row};
use super::item::Section;
use super::shape::{Key, Shape};
use super::table::{Table as _, nested, section};
use serde_json::{Map, Value as Json};

/// One way in.
#[derive(Debug, Clone, PartialEq)]
pub enum Access {
    /// Users with passwords.
    Basic(BasicAccess),
    /// Tokens of a file.
    Bearer(BearerAccess),
    /// Signed tokens.
    Jwt(Box<JwtAccess>),
    /// Signed URLs.
    Signed(SignedAccess),
    /// The origin says.
    Ask(Box<AskAccess>),
}

const WAY_FORM: &str = "one of `basic`, `bearer`, `jwt`, `signed`, `ask`";
const LIST_FORM: &str = "a list of ways in; without the key, anyone may read";

section! {
    /// A way in, as it is written: one of five.
    struct Way {
        /// User names and passwords (RFC 7617).
        basic: Option<BasicAccess> = nested().optional(),
        /// Tokens that are written in a file (RFC 6750).
        bearer: Option<BearerAccess> = nested().optional(),
        /// Tokens that someone else signs (RFC 7519).
        jwt: Option<JwtAccess> = nested().optional(),
        /// URLs that your own program signs.
        signed: Option<SignedAccess> = nested().optional(),
        /// The origin, which is asked about each request.
        ask: Option<AskAccess> = nested().optional(),
    }
    check = exactly_one;
}

fn exactly_one(section: &Section<'_>, _: Option<&mut Way>) {
    let kinds = ["basic", "bearer", "jwt", "signed", "ask"];
    // A kind without its settings is that kind, badly written: it is told of by its own keys.
    match kinds.iter().filter(|kind| section.present(kind).is_some()).count() {
        1 => {}
        0 => section.item.mistake("no way in", WAY_FORM),
        _ => section.item.mistake(
            "several ways in at once",
            format!("{WAY_FORM}; each an entry of the list"),
        ),
    }
}

const WAY: Custom<Access> = Custom {
    shape: || Shape::Section(Way::keys()),
    read: |item| match Way::read(item)? {
        Way { basic: Some(way), .. } => Some(Access::Basic(way)),
        Way { bearer: Some(way), .. } => Some(Access::Bearer(way)),
        Way { jwt: Some(way), .. } => Some(Access::Jwt(Box::new(way))),
        Way { signed: Some(way), .. } => Some(Access::Signed(way)),
        Way { ask: Some(way), .. } => Some(Access::Ask(Box::new(way))),
        _ => {
            item.mistake("a way in without its settings", WAY_FORM);
            None
        }
    },
    print: |way| {
        let (key, printed) = match way {
            Access::Basic(way) => ("basic", way.print()),
            Access::Bearer(way) => ("bearer", way.print()),
            Access::Jwt(way) => ("jwt", way.print()),
            Access::Signed(way) => ("signed", way.print()),
            Access::Ask(way) => ("ask", way.print()),
        };
        Some(Json::Object(Map::from_iter([(key.to_owned(), Json::Object(printed))])))
    },
};

/// `access` of a source. Empty: anyone may read.
pub(super) const ACCESS: Keys<Vec<Access>> = Keys {
    keys: || {
        vec![list(
            "access",
            "Who may read: any one of the list lets in. Without it, anyone may.",
        )]
    },
    read: |section| read(section, "access"),
    print: |ways, map| print("access", ways, map),
};

/// `admin_access`. Empty: a loopback address decides.
pub(super) const ADMIN_ACCESS: Keys<Vec<Access>> = Keys {
    keys: || {
        vec![list(
            "admin_access",
            "Who may see what the admin shows beyond probes and metrics, as a source's `access`. Without it, that is \
             shown on a loopback address only.",
        )]
    },
    read: |section| read(section, "admin_access"),
    print: |ways, map| print("admin_access", ways, map),
};

fn list(name: &'static str, help: &str) -> Key {
    row(name, Shape::List(Box::new(WAY.shape())), help)
}

/// A key that stands there and lists nothing is a mistake: its author believes something closed.
fn read(section: &Section<'_>, key: &'static str) -> Option<Vec<Access>> {
    let Some(item) = section.present(key) else {
        return Some(Vec::new());
    };
    let items = item.list(LIST_FORM)?;
    if items.is_empty() {
        item.mistake("an empty list", LIST_FORM);
        return None;
    }
    let ways: Vec<Option<Access>> = items.iter().map(|item| WAY.read(item)).collect();
    ways.into_iter().collect()
}

fn print(key: &str, ways: &[Access], map: &mut Map<String, Json>) {
    if !ways.is_empty() {
        let printed = ways.iter().filter_map(|way| WAY.print(way)).collect();
        map.insert(key.to_owned(), printed);
    }
}
