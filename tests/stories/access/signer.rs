//! Keys that sign tokens, and what a key set shows of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) struct Signer {
    pub(super) kid: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
    pub(super) public_pem: String,
    public: Vec<u8>,
}

impl Signer {
    pub(super) fn rsa(kid: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        Self::new(kid, Algorithm::RS256, &pair, EncodingKey::from_rsa_pem)
    }

    pub(super) fn ec(kid: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        Self::new(kid, Algorithm::ES256, &pair, EncodingKey::from_ec_pem)
    }

    pub(super) fn ed(kid: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        Self::new(kid, Algorithm::EdDSA, &pair, EncodingKey::from_ed_pem)
    }

    fn new(
        kid: &'static str,
        algorithm: Algorithm,
        pair: &rcgen::KeyPair,
        read: fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>,
    ) -> Self {
        Self {
            kid,
            algorithm,
            key: read(pair.serialize_pem().as_bytes()).unwrap(),
            public_pem: pair.public_key_pem(),
            public: pair.public_key_raw().to_vec(),
        }
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.to_owned());
        encode(&header, claims, &self.key).unwrap()
    }

    /// A token that is good for so many seconds.
    pub(super) fn for_seconds(&self, seconds: u64) -> String {
        self.sign(&json!({ "sub": "ann", "exp": now() + seconds }))
    }

    fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match self.algorithm {
            Algorithm::EdDSA => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(&self.public) }),
            // An uncompressed point.
            Algorithm::ES256 => {
                let (x, y) = self.public[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "use": "sig", "x": text(x), "y": text(y) })
            }
            _ => serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap(),
        };
        jwk["kid"] = self.kid.into();
        jwk
    }
}

pub(super) fn key_set(signers: &[&Signer]) -> String {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
