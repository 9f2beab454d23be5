//! Who relays are to an engine: users, keys, and tokens of an operator.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// A server's one user.
pub fn authorization(user: &str, password: &str) -> String {
    format!("authorization {{ user: {user}, password: {password} }}")
}

pub fn nkey() -> KeyPair {
    KeyPair::new_user()
}

/// One who runs an engine by tokens: an account of its own for relays.
pub struct Operator {
    operator: KeyPair,
    system: KeyPair,
    account: KeyPair,
}

impl Operator {
    pub fn new() -> Self {
        Self {
            operator: KeyPair::new_operator(),
            system: KeyPair::new_account(),
            account: KeyPair::new_account(),
        }
    }

    /// What a server has to know of it.
    pub fn config(&self) -> String {
        let own = json!({ "type": "operator", "system_account": self.system.public_key() });
        let account = |key: &KeyPair, name: &str, disk: i64| {
            let limits = json!({
                "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
                "conn": -1, "leaf": -1, "mem_storage": disk, "disk_storage": disk, "streams": disk,
                "consumer": disk,
            });
            token(
                &self.operator,
                &key.public_key(),
                name,
                json!({ "type": "account", "limits": limits }),
            )
        };
        format!(
            "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {}, {}: {} }}",
            token(&self.operator, &self.operator.public_key(), "operator", own),
            self.system.public_key(),
            self.system.public_key(),
            account(&self.system, "system", 0),
            self.account.public_key(),
            account(&self.account, "relays", -1),
        )
    }

    /// A credentials file for a user, and the seed in it.
    pub fn user(&self, name: &str) -> (String, String) {
        let key = KeyPair::new_user();
        let limits = json!({ "type": "user", "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {} });
        let token = token(&self.account, &key.public_key(), name, limits);
        let seed = key.seed().unwrap();
        let file = format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             NKEYs are sensitive and should be treated as secrets.\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        (file, seed)
    }
}

/// A token of NATS: a JWT by a key of another kind.
fn token(issuer: &KeyPair, subject: &str, name: &str, mut claims: Value) -> String {
    claims["version"] = 2.into();
    let claims = json!({
        "jti": name, "iat": 1_700_000_000, "iss": issuer.public_key(), "name": name, "sub": subject, "nats": claims,
    });
    let encode = |value: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(value);
    let head = encode(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let signed = format!("{head}.{}", encode(claims.to_string().as_bytes()));
    let signature = encode(&issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}
