//! TLS of listeners: what may stand there, and what is told of files that can't be used.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use fanfare::config::{self, Alpn, Loaded, TlsVersion};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::time::Duration;
use tempfile::TempDir;

/// A folder with certificates, and configurations in it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.issue("a", &["a.test", "*.b.test"], |_| {});
        folder.issue("b", &["c.test", "a.test"], |_| {});
        folder.write("empty.pem", "");
        folder
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn issue(&self, file: &str, names: &[&str], change: fn(&mut CertificateParams)) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        self.write(&format!("{file}.pem"), &params.self_signed(&key).unwrap().pem());
        self.write(&format!("{file}.key"), &key.serialize_pem());
    }

    /// A file with this value of `tls`.
    fn read(&self, tls: &str) -> Result<Loaded, String> {
        let text = format!(
            "listen:\n  - address: 127.0.0.1:1\n    tls: {tls}\nsources: {{ s: {{ path: /, upstream: 'http://o/' }} }}\n"
        );
        let file = self.0.path().join("f.yaml");
        config::read(&text, &file.display().to_string(), &|_| None)
            .map_err(|mistakes| self.without_folder(&mistakes.to_string()))
    }

    fn without_folder(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }

    fn warnings(&self, tls: &str) -> Vec<String> {
        let loaded = self.read(tls).unwrap();
        let warnings = loaded.warnings.iter().map(ToString::to_string);
        warnings.map(|warning| self.without_folder(&warning)).collect()
    }
}

#[test]
fn one_certificate_needs_two_files_and_the_rest_has_defaults() {
    let folder = Folder::new();
    let loaded = folder.read("{ cert: a.pem, key: a.key }").unwrap();
    assert_eq!(loaded.warnings, []);
    let tls = loaded.config.listen[0].tls.clone().unwrap();
    assert_eq!(tls.certificates.len(), 1);
    assert_eq!(tls.certificates[0].cert, folder.0.path().join("a.pem"));
    assert_eq!(tls.min_version, TlsVersion::Tls12);
    assert_eq!(tls.alpn, [Alpn::H2, Alpn::Http11]);
    assert_eq!((tls.client_ca, tls.handshake_timeout), (None, Duration::from_secs(10)));
    assert!(folder.read("false").unwrap().config.listen[0].tls.is_none());
}

#[test]
fn what_is_printed_is_read_back() {
    let folder = Folder::new();
    for tls in [
        "{ cert: a.pem, key: a.key }",
        "{ cert: a.pem, key: a.key, min_version: 1.3, client_ca: b.pem, alpn: http/1.1, handshake_timeout: 3s }",
        "{ certificates: [ { cert: a.pem, key: a.key }, { cert: b.pem, key: b.key } ], min_version: '1.2' }",
    ] {
        let loaded = folder.read(tls).unwrap();
        let printed = config::print(&loaded);
        let again =
            config::read(&printed, "/elsewhere/f.yaml", &|_| None).unwrap_or_else(|told| panic!("{told}\n{printed}"));
        assert_eq!(again.config, loaded.config, "{printed}");
        assert!(!printed.contains("PRIVATE"));
    }
}

#[test]
fn what_is_wrong_is_told_in_its_place() {
    let folder = Folder::new();
    for (tls, told) in [
        (
            "{}",
            "3:10: listen[0].tls.cert: missing; expected a PEM file with the certificate",
        ),
        (
            "{ cert: no.pem, key: a.key }",
            "3:18: listen[0].tls.cert: `no.pem` can't be read: No such file or directory (os error 2); expected a PEM file with the certificate, and behind it those that certify it",
        ),
        (
            "{ cert: empty.pem, key: a.key }",
            "3:18: listen[0].tls.cert: `empty.pem` holds no certificate; expected",
        ),
        (
            "{ cert: a.pem, key: a.pem }",
            "3:30: listen[0].tls.key: `a.pem` holds no private key; expected a PEM file with a private key, not encrypted",
        ),
        (
            "{ cert: a.pem, key: b.key }",
            "3:30: listen[0].tls.key: `b.key` is not the key of the certificate in a.pem; expected the certificate's own key",
        ),
        (
            "{ certificates: [] }",
            "3:26: listen[0].tls.certificates: an empty list; expected a list of mappings with `cert` and `key`",
        ),
        (
            "{ certificates: [ { cert: a.pem } ] }",
            "3:28: listen[0].tls.certificates[0].key: missing",
        ),
        (
            "{ cert: a.pem, certificates: [ { cert: a.pem, key: a.key } ] }",
            "3:18: listen[0].tls.cert: `cert` beside `certificates`; expected either of the two",
        ),
        (
            "{ cert: a.pem, key: a.key, alpn: [h3] }",
            "3:44: listen[0].tls.alpn[0]: `h3`; expected one of `h2`, `http/1.1` (did you mean `h2`?)",
        ),
        (
            "{ cert: a.pem, key: a.key, alpn: [] }",
            "3:43: listen[0].tls.alpn: an empty list; expected",
        ),
        (
            "{ cert: a.pem, key: a.key, min_version: 1.1 }",
            "3:50: listen[0].tls.min_version: `1.1`; expected one of `1.2`, `1.3`",
        ),
        (
            "{ cert: a.pem, key: a.key, client_ca: empty.pem }",
            "3:48: listen[0].tls.client_ca: `empty.pem` holds no certificate; expected a PEM file with certificates of authorities",
        ),
        (
            "{ cert: a.pem, key: a.key, ciphers: x }",
            "3:37: listen[0].tls.ciphers: unknown key `ciphers`",
        ),
    ] {
        let found = folder.read(tls).expect_err(tls);
        assert!(found.starts_with(&format!("f.yaml:{told}")), "{found}\n{told}");
    }
}

#[test]
fn what_will_hurt_is_warned_of() {
    let folder = Folder::new();
    folder.issue("old", &["a.test"], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    folder.issue("early", &["a.test"], |params| {
        params.not_before = date_time_ymd(2090, 1, 1);
        params.not_after = date_time_ymd(2091, 1, 1);
    });
    folder.issue("nameless", &[], |_| {});
    for (tls, told) in [
        (
            "{ cert: old.pem, key: old.key }",
            "`old.pem` has expired: clients refuse it",
        ),
        (
            "{ cert: early.pem, key: early.key }",
            "`early.pem` is not valid yet: clients refuse it until then",
        ),
        (
            "{ cert: nameless.pem, key: nameless.key }",
            "`nameless.pem` is for no host name: no browser accepts it",
        ),
        (
            "{ certificates: [ { cert: a.pem, key: a.key }, { cert: b.pem, key: b.key } ] }",
            "`a.test` has a certificate already, which is used: a.pem",
        ),
    ] {
        let warnings = folder.warnings(tls);
        assert!(warnings.len() == 1 && warnings[0].contains(told), "{warnings:?}");
    }
}

#[test]
fn how_many_handshakes_there_may_be() {
    let read = |limits: &str| {
        let text = format!("limits: {limits}\nsources: {{ s: {{ path: /, upstream: 'http://o/' }} }}\n");
        config::read(&text, "f.yaml", &|_| None).map(|loaded| loaded.config.limits.handshakes)
    };
    let auto = read("{ handshakes: auto }").unwrap();
    assert!(auto >= 1024 && read("{}").unwrap() == auto);
    assert_eq!(read("{ handshakes: 7 }").unwrap(), 7);
    for wrong in ["0", "many", "-1"] {
        assert!(read(&format!("{{ handshakes: {wrong} }}")).is_err(), "{wrong}");
    }
}
