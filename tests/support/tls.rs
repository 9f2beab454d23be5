//! TLS between clients and the relay: an authority, what it issues, and connections.
//!
//! Stories of the program `stories_tls` run over TLS as they are: relays get a certificate, and
//! clients that connect to one make a handshake first.

use super::client::{Io, connect};
use super::origin::within;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The relay's name in stories.
pub const NAME: &str = "relay.test";

/// An authority, and a folder for what it issues.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// What clients believe, and show.
#[derive(Clone)]
pub struct Dial {
    pub name: String,
    pub config: Arc<ClientConfig>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority of tests");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self {
            issuer,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The folder's path of a file.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The authority's own certificate, as a file.
    pub fn ca(&self) -> PathBuf {
        let path = self.path("ca.pem");
        std::fs::write(&path, self.issuer.pem()).unwrap();
        path
    }

    /// A certificate for these names in `FILE.pem`, and its key in `FILE.key`. A second one of the
    /// same file replaces the first.
    pub fn issue(&self, file: &str, names: &[&str]) {
        self.issue_with(file, names, |_| {});
    }

    /// The same, with something of it changed.
    pub fn issue_with(&self, file: &str, names: &[&str], change: impl FnOnce(&mut CertificateParams)) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        // As programs that renew do it: a file is there in whole or not at all.
        let put = |extension: &str, text: String| {
            let temporary = self.path(&format!("{file}.{extension}.new"));
            std::fs::write(&temporary, text).unwrap();
            std::fs::rename(temporary, self.path(&format!("{file}.{extension}"))).unwrap();
        };
        put("pem", cert.pem() + &self.issuer.pem());
        put("key", key.serialize_pem());
    }

    /// The value of a listener's `tls`, with a certificate that was issued and these keys beside.
    pub fn tls(&self, file: &str, keys: &str) -> String {
        let (cert, key) = (self.path(&format!("{file}.pem")), self.path(&format!("{file}.key")));
        format!("{{ cert: {}, key: {}, {keys} }}", cert.display(), key.display())
    }

    /// A client that believes this authority, and shows a certificate that it issued, if any.
    pub fn client(&self, name: &str, versions: &[&'static SupportedProtocolVersion], shows: Option<&str>) -> Dial {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shows {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let chain = certificates(&self.path(&format!("{file}.pem")));
                builder
                    .with_client_auth_cert(chain, private_key(&self.path(&format!("{file}.key"))))
                    .unwrap()
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Dial {
            name: name.to_owned(),
            config: Arc::new(config),
        }
    }
}

fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::pem_file_iter(file)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn private_key(file: &Path) -> PrivateKeyDer<'static> {
    use rustls::pki_types::pem::PemObject as _;
    PrivateKeyDer::from_pem_file(file).unwrap()
}

/// Both versions.
pub const VERSIONS: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

impl Dial {
    /// A connection, its handshake made.
    pub async fn connect(&self, address: SocketAddr) -> TlsStream<TcpStream> {
        self.try_connect(address).await.expect("a handshake")
    }

    pub async fn try_connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        self.over(connect(address, None).await).await
    }

    /// The same client, which offers these protocols.
    pub fn with_alpn(&self, protocols: &[&[u8]]) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Self {
            name: self.name.clone(),
            config: Arc::new(config),
        }
    }

    /// The handshake over a connection.
    pub async fn over<S: AsyncRead + AsyncWrite + Unpin>(&self, io: S) -> std::io::Result<TlsStream<S>> {
        let name = ServerName::try_from(self.name.clone()).unwrap();
        let connector = TlsConnector::from(self.config.clone());
        within("a handshake", connector.connect(name, io)).await
    }
}

/// The hosts that stories ask for: over HTTP/2, a name without a certificate is misdirected.
const HOSTS: [&str; 9] = [
    NAME,
    "127.0.0.1",
    "a",
    "a_b.example",
    "cloud.test",
    "cue.test",
    "h",
    "inner.test",
    "real.test",
];

/// The authority of `stories_tls`, and its one client.
static STORIES: LazyLock<(Authority, Dial)> = LazyLock::new(|| {
    let authority = Authority::new();
    authority.issue("relay", &HOSTS);
    let client = authority.client(NAME, VERSIONS, None);
    (authority, client)
});

/// Where relays speak TLS.
static ADDRESSES: LazyLock<Mutex<HashSet<SocketAddr>>> = LazyLock::new(Mutex::default);

/// Whether the stories of this program run over TLS.
pub fn is_everywhere() -> bool {
    ["stories_tls", "stories_http2_tls"].contains(&env!("CARGO_CRATE_NAME"))
}

/// The scheme of the URLs under which relays are reached.
pub fn scheme() -> &'static str {
    if is_everywhere() { "https" } else { "http" }
}

/// A listener in YAML: of an address alone, with TLS where stories run over it.
pub fn listener(address: &str) -> String {
    if !is_everywhere() || address.contains(['{', '[']) {
        return address.to_owned();
    }
    format!("{{ address: '{address}', tls: {} }}", STORIES.0.tls("relay", ""))
}

/// How a relay is reached from now on.
pub fn register(address: SocketAddr, speaks_tls: bool) {
    let mut addresses = ADDRESSES.lock().unwrap();
    if speaks_tls && is_everywhere() {
        addresses.insert(address);
    } else {
        addresses.remove(&address);
    }
}

/// A connection to a relay, or to its admin, over what is spoken there.
pub async fn dial(address: SocketAddr, receive_buffer: Option<usize>) -> Box<dyn Io> {
    secure(connect(address, receive_buffer).await, address).await
}

/// What is spoken at an address, over a connection to it.
pub async fn secure(tcp: TcpStream, address: SocketAddr) -> Box<dyn Io> {
    match speaks_tls(address) {
        true => Box::new(STORIES.1.over(tcp).await.expect("a handshake")),
        false => Box::new(tcp),
    }
}

/// Whether the relay at an address was given a certificate.
pub fn speaks_tls(address: SocketAddr) -> bool {
    ADDRESSES.lock().unwrap().contains(&address)
}

/// A connection to such a relay, its handshake made, in which HTTP/2 was agreed on.
pub async fn agree_on_http2(tcp: TcpStream) -> TlsStream<TcpStream> {
    let client = STORIES.1.with_alpn(&[b"h2", b"http/1.1"]);
    let stream = client.over(tcp).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    stream
}

impl Io for TlsStream<TcpStream> {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self.get_ref().0)
    }
}
