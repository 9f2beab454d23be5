//! Keys that verify tokens: each for one algorithm, which its own form says, whatever a token says.

use crate::config::{JwtAlgorithm, JwtKey};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

/// Keys taken of one set: it has two or three.
const KEYS_MAX: usize = 64;
/// Keys that are tried for a token that names none.
const TRIED_MAX: usize = 4;

/// One key.
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: JwtAlgorithm,
    pub(super) decoding: DecodingKey,
}

/// The keys that are known at one time.
pub(super) struct KeySet(Vec<Key>);

/// Which keys a token may be verified by.
pub(super) enum Found<'a> {
    /// These.
    Keys(Vec<&'a Key>),
    /// It names one that is not here.
    UnknownId,
}

impl KeySet {
    /// The key of a file. It has no ID: whatever a token names, it is this one.
    pub(super) fn of_file(key: &JwtKey) -> Option<Self> {
        let material = key.material.0.as_bytes();
        let decoding = match key.algorithm {
            JwtAlgorithm::Rs256 => DecodingKey::from_rsa_pem(material).ok()?,
            JwtAlgorithm::Es256 => DecodingKey::from_ec_pem(material).ok()?,
            JwtAlgorithm::EdDsa => DecodingKey::from_ed_pem(material).ok()?,
            JwtAlgorithm::Hs256 => DecodingKey::from_secret(material),
        };
        Some(Self(vec![Key {
            id: None,
            algorithm: key.algorithm,
            decoding,
        }]))
    }

    /// The keys of a JSON Web Key Set (RFC 7517, 5) that can be used here. Others are left out, as
    /// the standard says; an error, if the text is no set.
    pub(super) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let set: serde_json::Value = serde_json::from_slice(text).map_err(|_| "no JSON")?;
        let keys = set.get("keys").and_then(|keys| keys.as_array()).ok_or("no key set")?;
        let keys = keys.iter().take(KEYS_MAX).filter_map(|key| {
            let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
            Key::of(&jwk)
        });
        Ok(Self(keys.collect()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The keys for a token that names this ID, or none.
    pub(super) fn find(&self, id: Option<&str>, algorithm: JwtAlgorithm) -> Found<'_> {
        let named = |key: &&Key| match id {
            Some(id) => key.id.as_deref() == Some(id),
            None => true,
        };
        // A file's key has no ID, and is meant by any.
        let is_only = matches!(&self.0[..], [Key { id: None, .. }]);
        if id.is_some() && !is_only && !self.0.iter().any(|key| named(&key)) {
            return Found::UnknownId;
        }
        let keys = self
            .0
            .iter()
            .filter(|key| (is_only || named(key)) && key.algorithm == algorithm);
        Found::Keys(keys.take(TRIED_MAX).collect())
    }
}

impl Key {
    fn of(jwk: &Jwk) -> Option<Self> {
        let (algorithm, named) = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (JwtAlgorithm::Rs256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (JwtAlgorithm::Es256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (JwtAlgorithm::EdDsa, KeyAlgorithm::EdDSA)
            }
            // A secret that is there for all to fetch is none.
            _ => return None,
        };
        let common = &jwk.common;
        let is_for_it = common.key_algorithm.is_none_or(|algorithm| algorithm == named);
        let signs = common
            .public_key_use
            .as_ref()
            .is_none_or(|of| *of == PublicKeyUse::Signature);
        let verifies = common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        (is_for_it && signs && verifies).then_some(())?;
        Some(Self {
            id: common.key_id.clone(),
            algorithm,
            decoding: DecodingKey::from_jwk(jwk).ok()?,
        })
    }
}

/// The library's name of an algorithm.
pub(super) fn named(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Rs256 => Algorithm::RS256,
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
        JwtAlgorithm::Hs256 => Algorithm::HS256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(keys: &str) -> usize {
        let text = format!("{{\"keys\":[{keys}]}}");
        KeySet::parse(text.as_bytes()).expect("a set").len()
    }

    #[test]
    fn what_can_t_be_used_is_left_out() {
        const ED: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
        assert_eq!(parsed(&format!("{{{ED}}}")), 1);
        assert_eq!(
            parsed(&format!(
                "{{{ED},\"use\":\"sig\",\"alg\":\"EdDSA\",\"key_ops\":[\"verify\"]}}"
            )),
            1
        );
        for other in [
            "1",
            "{}",
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75","kid":"k"}"#,
            &format!("{{{ED},\"use\":\"enc\"}}"),
            &format!("{{{ED},\"alg\":\"RS256\"}}"),
            &format!("{{{ED},\"key_ops\":[\"sign\"]}}"),
            r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#,
        ] {
            assert_eq!(parsed(&format!("{other},{{{ED}}}")), 1, "{other}");
        }
        for no_set in ["", "[]", "{}", "{\"keys\":{}}", "<html>"] {
            assert!(KeySet::parse(no_set.as_bytes()).is_err(), "{no_set}");
        }
    }
}
