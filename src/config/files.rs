//! Files that a configuration names: certificates and keys, as PEM.

use super::codec::{Custom, Text};
use super::field::{Keys, Presence as _};
use super::item::{Item, Section};
use super::shape::Shape;
use super::table::section;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::path::{Path, PathBuf};

section! {
    /// TLS towards an origin.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct UpstreamTls {
        /// PEM file of the roots to trust instead of the system's.
        pub ca: Option<PathBuf> = CERTIFICATES.optional(),
        /// PEM file of the client certificate chain.
        pub cert: Option<PathBuf> = CERTIFICATES.optional(),
        /// PEM file of the client certificate's key.
        pub key: Option<PathBuf> = PRIVATE_KEY.optional(),
        /// The name that the certificate must carry, where it is not the URL's host.
        pub server_name: Option<String> = HOST_NAME.optional(),
        /// Whether any certificate is taken. No key says so: it is for a person at a terminal.
        pub is_unverified: bool = NOT_WRITTEN,
    }
    check = both_or_none;
}

fn both_or_none(section: &Section<'_>, _: Option<&mut UpstreamTls>) {
    if section.get("cert").is_some() != section.get("key").is_some() {
        section.item.mistake("only one of `cert` and `key`", "both, or none");
    }
}

/// What no file can say.
const NOT_WRITTEN: Keys<bool> = Keys {
    keys: Vec::new,
    read: |_| Some(false),
    print: |_, _| {},
};

pub(super) const CERTIFICATES: Custom<PathBuf> = Custom {
    shape: || Shape::Text(&["/none.pem"]),
    read: |item| {
        pem_file(item, "a PEM file with certificates", |path| {
            CertificateDer::pem_file_iter(path).is_ok_and(|mut found| found.next().is_some_and(|first| first.is_ok()))
        })
    },
    print: print_path,
};

pub(super) const PRIVATE_KEY: Custom<PathBuf> = Custom {
    shape: || Shape::Text(&["/none.key"]),
    read: |item| {
        pem_file(item, "a PEM file with a private key", |path| {
            PrivateKeyDer::from_pem_file(path).is_ok()
        })
    },
    print: print_path,
};

const HOST_NAME: Text<String> = Text {
    form: "a host name",
    examples: &["origin.example"],
    parse: |text| match ServerName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(""),
    },
    show: String::clone,
};

fn pem_file(item: &Item<'_>, expected: &str, check: fn(&Path) -> bool) -> Option<PathBuf> {
    let path = file_path(item)?;
    let why = match std::fs::File::open(&path) {
        Ok(_) if check(&path) => return Some(path),
        Ok(_) => "holds none".to_owned(),
        Err(error) => format!("can't be read: {error}"),
    };
    item.mistake(format!("{} {why}", item.found()), expected);
    None
}

/// A path in the file is relative to the file. What it leads to belongs to the configuration: a
/// change of it is one of that.
pub(super) fn file_path(item: &Item<'_>) -> Option<PathBuf> {
    let text = item.text("a file's path")?;
    if text.is_empty() {
        item.mistake("an empty path", "a file's path");
        return None;
    }
    let folder = Path::new(item.diagnostics.file()).parent();
    let path = folder.map_or_else(|| PathBuf::from(text), |folder| folder.join(text));
    item.diagnostics.names(&path);
    Some(path)
}

/// A folder, which need not be there yet; relative to the file.
pub(super) fn folder_path(item: &Item<'_>) -> Option<PathBuf> {
    let text = item.text("a folder's path")?;
    if text.is_empty() {
        item.mistake("an empty path", "a folder's path");
        return None;
    }
    let folder = Path::new(item.diagnostics.file()).parent();
    Some(folder.map_or_else(|| PathBuf::from(text), |folder| folder.join(text)))
}

/// What is printed may be put anywhere: the path doesn't depend on where.
pub(super) fn print_path(path: &PathBuf) -> Option<serde_json::Value> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    Some(absolute.display().to_string().into())
}
