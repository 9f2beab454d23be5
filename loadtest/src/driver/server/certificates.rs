//! Certificates of a run: an authority of its own, and what it issues.

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::path::{Path, PathBuf};

/// What certificates are for: the name and the address that clients connect to.
const NAMES: [&str; 2] = [HOST, "127.0.0.1"];
/// The name in the clients' URLs.
pub(super) const HOST: &str = "localhost";

/// An authority, and the files of the certificate that it has issued last.
pub(super) struct Certificates {
    issuer: Issuer<'static, KeyPair>,
    issued: u32,
    pub(super) authority: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// As it is on the wire.
    pub(super) latest: Vec<u8>,
}

impl Certificates {
    /// A new authority and its first certificate, with their files in `directory`.
    pub(super) fn new(directory: &Path) -> Result<Self> {
        let key = KeyPair::generate().context("no key for an authority")?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named("fanfare-loadtest's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let own = params.self_signed(&key).context("no authority")?;
        let authority = directory.join("authority.pem");
        write(&authority, &own.pem())?;
        let mut certificates = Self {
            issuer: Issuer::new(params, key),
            issued: 0,
            authority,
            certificate: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
            latest: Vec::new(),
        };
        certificates.renew()?;
        Ok(certificates)
    }

    /// Replaces certificate and key by new ones. Each file is replaced as a whole, the key first:
    /// what is read between the two doesn't fit together, and must not be taken.
    pub(super) fn renew(&mut self) -> Result<()> {
        self.issued += 1;
        let key = KeyPair::generate().context("no key")?;
        let mut params = CertificateParams::new(NAMES.map(str::to_owned)).context("no such names")?;
        params.distinguished_name = named(&format!("certificate {}", self.issued));
        let certificate = params.signed_by(&key, &self.issuer).context("no certificate")?;
        write(&self.key, &key.serialize_pem())?;
        write(&self.certificate, &certificate.pem())?;
        self.latest = certificate.der().to_vec();
        Ok(())
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Writes a file beside its place, and moves it there.
fn write(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, path))
        .with_context(|| format!("can't write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::server::directory::Directory;

    #[test]
    fn a_renewed_certificate_is_another_one() {
        let directory = Directory::new().expect("a folder");
        let mut certificates = Certificates::new(&directory.path).expect("they are made");
        let (first, file) = (certificates.latest.clone(), certificates.certificate.clone());
        let text = std::fs::read_to_string(&file).expect("it is there");
        certificates.renew().expect("it is renewed");
        assert_ne!(certificates.latest, first);
        assert_ne!(std::fs::read_to_string(&file).expect("it is there"), text);
    }
}
