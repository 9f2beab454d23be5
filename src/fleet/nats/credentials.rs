//! Who an instance is to the engine. Files are read for each connection: what is changed in them holds
//! from the next on.

use crate::config;
use async_nats::Auth;
use nkeys::KeyPair;
use std::path::Path;

/// Before the token, and before the key that it belongs to, in a file as `nsc` writes it.
const TOKEN: &str = "-----BEGIN NATS USER JWT-----";
const KEY: &str = "-----BEGIN USER NKEY SEED-----";

/// Whether an instance has to say who it is.
pub(super) fn are_there(config: &config::Fleet) -> bool {
    config.user.is_some() || config.credentials_file.is_some()
}

/// What the engine is told. `nonce`: what it wants signed. The error names the file, and nothing that
/// is in it.
pub(super) fn auth(config: &config::Fleet, nonce: &[u8]) -> Result<Auth, String> {
    let mut auth = Auth::new();
    if let (Some(user), Some(password)) = (&config.user, &config.password) {
        auth.username = Some(user.clone());
        auth.password = Some(password.read()?.0);
    }
    if let Some(file) = &config.credentials_file {
        sign(&mut auth, file, nonce)?;
    }
    Ok(auth)
}

fn sign(auth: &mut Auth, file: &Path, nonce: &[u8]) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    let (token, key) = match (after(&text, TOKEN), after(&text, KEY)) {
        (token, Some(key)) => (token, key),
        // As `nk` writes it.
        (_, None) => (None, text.trim()),
    };
    // Its own words can quote the file.
    let unusable = || format!("{}: no usable credentials", file.display());
    let pair = KeyPair::from_seed(key).map_err(|_| unusable())?;
    auth.signature = Some(pair.sign(nonce).map_err(|_| unusable())?);
    match token {
        Some(token) => auth.jwt = Some(token.to_owned()),
        None => auth.nkey = Some(pair.public_key()),
    }
    Ok(())
}

/// The line behind a heading.
fn after<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(heading)?;
    after.lines().map(str::trim).find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(text: &str) -> Result<Auth, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("relay.creds");
        std::fs::write(&file, text).unwrap();
        let mut auth = Auth::new();
        let signed = sign(&mut auth, &file, b"nonce");
        signed.map(|()| auth)
    }

    #[test]
    fn a_token_or_a_key_alone() {
        let pair = KeyPair::new_user();
        let seed = pair.seed().unwrap();
        let end = "------END NATS USER JWT------";
        let both =
            format!("{TOKEN}\r\nabc.def\r\n{end}\r\n\r\nsecret!\n\n{KEY}\n{seed}\n------END USER NKEY SEED------\n");
        let auth = signed(&both).unwrap();
        assert_eq!((auth.jwt.as_deref(), auth.nkey), (Some("abc.def"), None));
        pair.verify(b"nonce", &auth.signature.unwrap()).unwrap();
        let auth = signed(&format!("{seed}\n")).unwrap();
        assert_eq!((auth.jwt, auth.nkey), (None, Some(pair.public_key())));
    }

    #[test]
    fn what_is_no_key_is_not_quoted() {
        for text in [
            "",
            "hunter2",
            &format!("{TOKEN}\nhunter2\n"),
            &format!("{KEY}\nhunter2\n"),
        ] {
            let error = signed(text).err().unwrap();
            assert!(error.ends_with("relay.creds: no usable credentials"), "{error}");
        }
    }
}
