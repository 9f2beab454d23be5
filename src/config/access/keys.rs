//! Keys that sign URLs, by their IDs.

use super::super::codec::Custom;
use super::super::field::Presence as _;
use super::super::files::print_path;
use super::super::shape::Shape;
use super::super::table::section;
use super::lines::{LineForm, NamedSecret, NamedSecrets, parse, read, read_text};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::path::Path;

section! {
    /// URLs that your own program signs.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SignedAccess {
        /// A file of keys: `ID:BASE64` a line. Any of them verifies; the first one signs.
        pub keys("keys_file"): NamedSecrets = KEYS_FILE.needed("a file with `ID:BASE64` a line"),
    }
}

/// As many bytes as the hash has: more add nothing, much less can be searched through.
const KEY_BYTES_GOOD: usize = 32;

/// As most programs write it, with or without `=`.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const KEYS_FILE: Custom<NamedSecrets> = Custom {
    shape: || Shape::Text(&["/none.keys"]),
    read: |item| read(item, &FORM),
    print: |keys| print_path(&keys.path),
};

const FORM: LineForm = LineForm {
    expected: "`ID:BASE64` a line, of 32 random bytes (`openssl rand -base64 32`)",
    check: |key| match decode(key) {
        None => Err("a key that is not base64".to_owned()),
        Some(key) if key.is_empty() => Err("an empty key".to_owned()),
        Some(key) if key.len() < KEY_BYTES_GOOD => Ok(Some(format!(
            "a key of {} bytes: with less than {KEY_BYTES_GOOD} it is the weak part",
            key.len()
        ))),
        Some(_) => Ok(None),
    },
};

impl SignedAccess {
    /// The bytes of a key of the file; `None`: it is none.
    pub fn key_bytes(key: &NamedSecret) -> Option<Vec<u8>> {
        decode(&key.secret.0)
    }
}

fn decode(key: &str) -> Option<Vec<u8>> {
    BASE64.decode(key).ok()
}

/// The keys of a file, in its order; or what is wrong with it, a line each.
pub fn read_signing_keys(path: &Path) -> Result<Vec<NamedSecret>, Vec<String>> {
    let name = path.display();
    let text = read_text(path).map_err(|why| vec![format!("{name}: can't be read: {why}")])?;
    let (keys, problems) = parse(&text, &FORM);
    let mistakes: Vec<String> = problems
        .iter()
        .filter(|problem| problem.is_mistake)
        .map(|problem| format!("{name}:{}: {}; expected {}", problem.line, problem.what, FORM.expected))
        .collect();
    match (mistakes.is_empty(), keys.is_empty()) {
        (true, false) => Ok(keys),
        (true, true) => Err(vec![format!("{name}: no key; expected {}", FORM.expected)]),
        (false, _) => Err(mistakes),
    }
}
