//! Which certificate a handshake gets: by the name that the client asks for.

use crate::certificate::Certificate;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// The certificates of a listener by their names. Where two are for one name, the first is used.
#[derive(Debug)]
pub(super) struct Names {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows the `*.`: it stands for one label (RFC 9525, 6.3).
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    /// For clients that name no host, or one that no certificate is for: these see a certificate
    /// for another name and say so, which tells more than an alert.
    first: Arc<CertifiedKey>,
}

impl Names {
    /// `None`: there is no certificate.
    pub(super) fn new(certificates: &[Certificate]) -> Option<Self> {
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for certificate in certificates {
            for name in &certificate.names {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut wildcard, parent),
                    None => (&mut exact, &name[..]),
                };
                map.entry(name.to_owned())
                    .or_insert_with(|| certificate.certified.clone());
            }
        }
        let first = certificates.first()?.certified.clone();
        Some(Self { exact, wildcard, first })
    }

    /// The certificate for a host name.
    pub(super) fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let parent = name.split_once('.').map(|(_, parent)| parent);
        self.exact.get(name).or_else(|| self.wildcard.get(parent?))
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = hello.server_name().and_then(|name| self.find(name));
        Some(found.unwrap_or(&self.first).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Issued;
    use super::*;

    #[test]
    fn a_name_leads_to_its_certificate() {
        let issued = [
            Issued::new(&["a.test", "*.b.test"]),
            Issued::new(&["c.b.test", "a.test"]),
        ];
        let certificates: Vec<_> = issued.iter().map(Issued::load).collect();
        let names = Names::new(&certificates).expect("certificates");
        let found = |name: &str| {
            let found = names.find(name)?;
            certificates
                .iter()
                .position(|known| Arc::ptr_eq(&known.certified, found))
        };
        for (name, expected) in [
            ("a.test", Some(0)),
            ("A.Test.", Some(0)),
            ("x.b.test", Some(0)),
            ("c.b.test", Some(1)),
            ("b.test", None),
            ("x.y.b.test", None),
            ("test", None),
            ("", None),
        ] {
            assert_eq!(found(name), expected, "{name}");
        }
        assert!(Names::new(&[]).is_none());
    }
}
