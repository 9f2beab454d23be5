//! PEM files: a certificate with its chain and its key, and the authorities of clients.

use super::Validity;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// Most bytes of a file. A chain is some KiB, all the roots of a system some 200 KiB; and a device
/// without an end ends.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The primitives of every connection here. Explicit: a process-wide default would be the one that
/// was installed first.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

/// Which of the files an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The certificate and its chain.
    Certificate,
    /// The certificate's key.
    Key,
    /// The authorities that clients' certificates have to come from.
    Authorities,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub(crate) struct CertificateError {
    pub(crate) file: PathBuf,
    pub(crate) part: Part,
    /// Follows the file's name.
    pub(crate) why: String,
    /// What should be there.
    pub(crate) expected: &'static str,
}

/// A certificate with its chain and its key, as handshakes need it.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    /// Chain and key.
    pub(crate) certified: Arc<CertifiedKey>,
    /// The DNS names that it is for, in lower case; a wildcard begins with `*.`.
    pub(crate) names: Vec<String>,
    pub(crate) validity: Validity,
}

impl Certificate {
    /// Reads both files. The key has to be the certificate's.
    pub(crate) fn load(cert: &Path, key: &Path) -> Result<Self, CertificateError> {
        // Both are read before either can fail, so that a mistake in each is told.
        let chain = chain(cert)?;
        let private = private_key(key)?;
        let unusable = |part, file: &Path, why: String, expected| CertificateError {
            file: file.to_owned(),
            part,
            why,
            expected,
        };
        let first = &chain[0];
        let parsed = webpki::EndEntityCert::try_from(first);
        let (names, validity) = match (parsed, Validity::of(first)) {
            (Ok(parsed), Some(validity)) => {
                let names = parsed.valid_dns_names().map(str::to_ascii_lowercase).collect();
                (names, validity)
            }
            (Err(error), _) => {
                let why = format!("begins with no certificate of a server ({error:?})");
                return Err(unusable(Part::Certificate, cert, why, CERTIFICATES));
            }
            (Ok(_), None) => {
                let why = "holds a certificate without times of validity".to_owned();
                return Err(unusable(Part::Certificate, cert, why, CERTIFICATES));
            }
        };
        // The library's words may quote the file.
        let signing = provider().key_provider.load_private_key(private).map_err(|_| {
            let why = "holds a key of an unknown kind".to_owned();
            unusable(Part::Key, key, why, "an RSA, ECDSA or Ed25519 key")
        })?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => {
                let why = format!("is not the key of the certificate in {}", cert.display());
                return Err(unusable(Part::Key, key, why, "the certificate's own key"));
            }
        }
        Ok(Self {
            certified: Arc::new(certified),
            names,
            validity,
        })
    }
}

const CERTIFICATES: &str = "a PEM file with the certificate, and behind it those that certify it";

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    certificates(file, Part::Certificate, CERTIFICATES)
}

/// The authorities in a PEM file; at least one.
pub(crate) fn authorities(file: &Path) -> Result<RootCertStore, CertificateError> {
    let expected = "a PEM file with certificates of authorities";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, Part::Authorities, expected)? {
        roots.add(certificate).map_err(|error| CertificateError {
            file: file.to_owned(),
            part: Part::Authorities,
            why: format!("holds a certificate that can't be used: {error}"),
            expected,
        })?;
    }
    Ok(roots)
}

fn certificates(
    file: &Path,
    part: Part,
    expected: &'static str,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let error = |why: String| CertificateError {
        file: file.to_owned(),
        part,
        why,
        expected,
    };
    let bytes = read(file).map_err(|io| error(format!("can't be read: {io}")))?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(error("holds no certificate".to_owned())),
        Ok(found) => Ok(found),
        Err(_) => Err(error("holds a certificate that is damaged".to_owned())),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let error = |why: String| CertificateError {
        file: file.to_owned(),
        part: Part::Key,
        why,
        expected: "a PEM file with a private key, not encrypted",
    };
    let bytes = read(file).map_err(|io| error(format!("can't be read: {io}")))?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| error("holds no private key".to_owned()))
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        }

        fn pair(&self, name: &str, names: &[&str], key: &KeyPair) -> [PathBuf; 2] {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let params = CertificateParams::new(names).expect("names");
            let cert = params.self_signed(key).expect("a certificate");
            [
                self.write(&format!("{name}.pem"), &cert.pem()),
                self.write(&format!("{name}.key"), &key.serialize_pem()),
            ]
        }
    }

    #[test]
    fn a_pair_of_files_is_read() {
        let files = Files::new();
        for algorithm in [&PKCS_ED25519, &PKCS_ECDSA_P384_SHA384] {
            let key = KeyPair::generate_for(algorithm).expect("a key");
            let [cert, key] = files.pair("a", &["A.test", "*.b.test", "192.0.2.1"], &key);
            let found = Certificate::load(&cert, &key).expect("a certificate");
            assert_eq!(found.names, ["a.test", "*.b.test"]);
            assert!(found.validity.span().as_secs() > 0);
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_file() {
        let files = Files::new();
        let generate = || KeyPair::generate().expect("a key");
        let [cert, key] = files.pair("a", &["a.test"], &generate());
        let [_, other] = files.pair("b", &["b.test"], &generate());
        let empty = files.write("empty", "");
        let secret = files.write(
            "secret",
            "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
        );
        let missing = files.0.path().join("missing");
        let damaged = files.write("damaged", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
        let no_certificate = files.write("no", "-----BEGIN CERTIFICATE-----\naGk=\n-----END CERTIFICATE-----\n");
        for (cert, key, part, why) in [
            (
                &missing,
                &key,
                Part::Certificate,
                "can't be read: No such file or directory (os error 2)",
            ),
            (&empty, &key, Part::Certificate, "holds no certificate"),
            (&key, &key, Part::Certificate, "holds no certificate"),
            (&damaged, &key, Part::Certificate, "holds a certificate that is damaged"),
            (
                &no_certificate,
                &key,
                Part::Certificate,
                "begins with no certificate of a server (TrailingData(SignedData))",
            ),
            (&cert, &cert, Part::Key, "holds no private key"),
            (&cert, &secret, Part::Key, "holds a key of an unknown kind"),
        ] {
            let error = Certificate::load(cert, key).expect_err(why);
            assert_eq!((error.part, &error.why[..]), (part, why));
            assert!(!error.to_string().contains("hunter2"));
        }
        let error = Certificate::load(&cert, &other).expect_err("another's key");
        assert!(
            error.part == Part::Key && error.why.starts_with("is not the key of"),
            "{error}"
        );
        assert_eq!(authorities(&empty).expect_err("none").part, Part::Authorities);
        assert!(authorities(&cert).is_ok());
    }
}
