//! The one key that verifies tokens, from a file; and the algorithms.
//!
//! A key is good for one algorithm, which its own form says: so no token can choose how it is
//! verified.

use super::super::codec::{Custom, Word};
use super::super::files::{file_path, print_path};
use super::super::secret::Secret;
use super::super::shape::Shape;
use super::lines::read_text;
use jsonwebtoken::DecodingKey;
use std::path::PathBuf;

/// How a token is signed (RFC 7518, 3.1; RFC 8037, 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JwtAlgorithm {
    /// RSA, PKCS #1, SHA-256.
    Rs256,
    /// ECDSA, P-256, SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// HMAC, SHA-256: who verifies could also sign.
    Hs256,
}

pub(super) const ALGORITHM: Word<JwtAlgorithm> = Word(&[
    ("RS256", JwtAlgorithm::Rs256),
    ("ES256", JwtAlgorithm::Es256),
    ("EdDSA", JwtAlgorithm::EdDsa),
    ("HS256", JwtAlgorithm::Hs256),
]);

/// RFC 7518, 3.2: at least as long as the hash.
const SECRET_BYTES_GOOD: usize = 32;

/// An uncompressed point of P-256; longer ones are of other curves.
const P256_POINT_BYTES: usize = 65;

/// A key as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtKey {
    /// The file.
    pub path: PathBuf,
    /// A public key as PEM, or a secret.
    pub material: Secret,
    /// What it verifies.
    pub algorithm: JwtAlgorithm,
}

pub(super) const KEY_FILE: Custom<JwtKey> = Custom {
    shape: || Shape::Text(&["/none.key"]),
    read: |item| {
        const FORM: &str = "a file with a public key as PEM (RSA, P-256 or Ed25519), or a secret for HS256";
        let path = file_path(item)?;
        let read = read_text(&path).map_err(|why| format!("can't be read: {why}"));
        let judged = read.and_then(|text| {
            let material = text.trim_end_matches(['\r', '\n']);
            algorithm_of(material).map(|algorithm| (material.to_owned(), algorithm))
        });
        match judged {
            Ok((material, algorithm)) => {
                if algorithm == JwtAlgorithm::Hs256 && material.len() < SECRET_BYTES_GOOD {
                    item.warn(format!(
                        "a secret of less than {SECRET_BYTES_GOOD} bytes: it can be searched for by whoever has a token"
                    ));
                }
                Some(JwtKey {
                    path,
                    material: Secret(material),
                    algorithm,
                })
            }
            Err(why) => {
                item.mistake(format!("{} {why}", item.found()), FORM);
                None
            }
        }
    },
    print: |key| print_path(&key.path),
};

/// What a key verifies. What looks like PEM is never taken for a secret.
fn algorithm_of(material: &str) -> Result<JwtAlgorithm, String> {
    if material.is_empty() {
        return Err("is empty".to_owned());
    }
    if !material.contains("-----BEGIN") {
        return Ok(JwtAlgorithm::Hs256);
    }
    if material.contains("PRIVATE KEY-----") {
        return Err("holds a private key, which signs: the relay must not have it".to_owned());
    }
    let pem = material.as_bytes();
    if DecodingKey::from_rsa_pem(pem).is_ok() {
        return Ok(JwtAlgorithm::Rs256);
    }
    if DecodingKey::from_ed_pem(pem).is_ok() {
        return Ok(JwtAlgorithm::EdDsa);
    }
    match DecodingKey::from_ec_pem(pem) {
        Ok(key)
            if key
                .try_get_as_bytes()
                .is_ok_and(|point| point.len() == P256_POINT_BYTES) =>
        {
            Ok(JwtAlgorithm::Es256)
        }
        Ok(_) => Err("holds a key of another curve than P-256".to_owned()),
        Err(_) => Err("holds no public key".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_pem_is_never_a_secret() {
        assert_eq!(algorithm_of("hunter2"), Ok(JwtAlgorithm::Hs256));
        for text in [
            "",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "x\n-----BEGIN PUBLIC KEY-----",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        ] {
            assert!(algorithm_of(text).is_err(), "{text}");
        }
    }
}
