//! TLS of a listener: its certificates, and what its handshakes may agree on.

use super::codec::{AtLeastOne, Codec as _, Custom, List, SOME_DURATION, Word};
use super::field::{Keys, Presence as _, row};
use super::files::{file_path, print_path};
use super::item::Section;
use super::shape::{Key, Shape};
use super::table::{Table, nested, section};
use crate::certificate::{Certificate, CertificateError, Part, Validity, authorities};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

section! {
    /// TLS of a listener.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ListenerTls {
        /// The certificates; the first is for clients that name no host.
        pub certificates: Vec<CertificateFiles> = PAIRS,
        /// The oldest version of TLS that a client may speak.
        pub min_version: TlsVersion = VERSION.or("1.2"),
        /// PEM file of the authorities of which one has to have signed a client's certificate;
        /// without it, clients are asked for none.
        pub client_ca: Option<PathBuf> = AUTHORITIES.optional(),
        /// What is spoken over TLS, most liked first.
        pub alpn: Vec<Alpn> = AtLeastOne(ALPN, "`h2`, `http/1.1`, or a list of them").or("[h2, http/1.1]"),
        /// How long a connection may take from its opening to the end of its handshake.
        pub handshake_timeout: Duration = SOME_DURATION.or("10s"),
    }
    check = each_name_once;
}

section! {
    /// The files of one certificate.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CertificateFiles {
        /// PEM file of the certificate, and behind it those that certify it.
        pub cert: PathBuf = FILE.needed("a PEM file with the certificate"),
        /// PEM file of its private key.
        pub key: PathBuf = FILE.needed("a PEM file with the private key"),
    }
    check = is_usable;
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// A protocol, as handshakes name it (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2.
    H2,
    /// HTTP/1.1.
    Http11,
}

impl Alpn {
    /// As it stands in a handshake.
    pub fn name(self) -> &'static [u8] {
        match self {
            Alpn::H2 => b"h2",
            Alpn::Http11 => b"http/1.1",
        }
    }
}

const VERSION: Word<TlsVersion> = Word(&[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)]);
const ALPN: Word<Alpn> = Word(&[("h2", Alpn::H2), ("http/1.1", Alpn::Http11)]);

/// `cert` and `key`, or `certificates` with several of them.
const PAIRS: Keys<Vec<CertificateFiles>> = Keys {
    keys: pair_keys,
    read: |section| {
        let Some(several) = section.get("certificates") else {
            let mut pair = CertificateFiles::fields(section);
            CertificateFiles::check(section, pair.as_mut());
            return Some(vec![pair?]);
        };
        for key in ["cert", "key"] {
            if let Some(item) = section.get(key) {
                item.mistake(format!("`{key}` beside `certificates`"), "either of the two");
            }
        }
        let pairs = List(nested::<CertificateFiles>(), PAIRS_FORM).read(&several)?;
        if pairs.is_empty() {
            several.mistake("an empty list", PAIRS_FORM);
        }
        Some(pairs).filter(|pairs| !pairs.is_empty())
    },
    print: |pairs, map| match &pairs[..] {
        [pair] => map.extend(pair.print()),
        pairs => {
            let all = pairs.iter().map(|pair| Json::Object(pair.print()));
            map.insert("certificates".to_owned(), all.collect());
        }
    },
};

const PAIRS_FORM: &str = "a list of mappings with `cert` and `key`";

fn pair_keys() -> Vec<Key> {
    let mut keys = CertificateFiles::keys();
    keys.push(row(
        "certificates",
        Shape::List(Box::new(Shape::Section(CertificateFiles::keys()))),
        "Instead of `cert` and `key`: several certificates, each for the names in it. The first is for clients that name no host, or one that none is for.",
    ));
    keys
}

const FILE: Custom<PathBuf> = Custom {
    shape: || Shape::Text(&["/none.pem"]),
    read: file_path,
    print: print_path,
};

const AUTHORITIES: Custom<PathBuf> = Custom {
    shape: || Shape::Text(&["/none.pem"]),
    read: |item| {
        let path = file_path(item)?;
        match authorities(&path) {
            Ok(_) => Some(path),
            Err(error) => {
                item.mistake(format!("{} {}", item.found(), error.why), error.expected);
                None
            }
        }
    },
    print: print_path,
};

/// Both files are what they have to be, and belong together.
fn is_usable(section: &Section<'_>, pair: Option<&mut CertificateFiles>) {
    let Some(pair) = pair else { return };
    let certificate = match Certificate::load(&pair.cert, &pair.key) {
        Ok(certificate) => certificate,
        Err(CertificateError {
            part, why, expected, ..
        }) => {
            let key = if part == Part::Key { "key" } else { "cert" };
            if let Some(item) = section.get(key) {
                item.mistake(format!("{} {why}", item.found()), expected);
            }
            return;
        }
    };
    if let Some(item) = section.get("cert") {
        if let Some(what) = out_of_time(certificate.validity) {
            item.warn(format!("{} {what}", item.found()));
        }
        if certificate.names.is_empty() {
            item.warn(format!("{} is for no host name: no browser accepts it", item.found()));
        }
    }
}

/// What is wrong with a certificate now.
fn out_of_time(validity: Validity) -> Option<&'static str> {
    let now = SystemTime::now();
    if now > validity.end() {
        return Some("has expired: clients refuse it");
    }
    (now < validity.begin()).then_some("is not valid yet: clients refuse it until then")
}

/// Of two certificates for a name one is of no use.
fn each_name_once(section: &Section<'_>, tls: Option<&mut ListenerTls>) {
    let (Some(tls), Some(several)) = (tls, section.get("certificates")) else {
        return;
    };
    let mut seen: HashMap<String, &Path> = HashMap::new();
    for (pair, item) in tls.certificates.iter().zip(several.one_or_more()) {
        // What can't be read has been told of.
        let Ok(certificate) = Certificate::load(&pair.cert, &pair.key) else {
            continue;
        };
        for name in certificate.names {
            match seen.get(&name) {
                Some(other) => {
                    let other = other.display();
                    item.warn(format!("`{name}` has a certificate already, which is used: {other}"));
                }
                None => {
                    seen.insert(name, &pair.cert);
                }
            }
        }
    }
}
