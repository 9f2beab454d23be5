//! Tokens of a file, by name.

use super::super::codec::Custom;
use super::super::field::Presence as _;
use super::super::files::print_path;
use super::super::shape::Shape;
use super::super::table::section;
use super::lines::{LineForm, NamedSecrets, read};

section! {
    /// Tokens of a file.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct BearerAccess {
        /// A file of tokens: `name:token` a line.
        pub tokens("tokens_file"): NamedSecrets = TOKENS_FILE.needed("a file with `name:token` a line"),
    }
}

/// 16 random characters can't be guessed over the network.
const TOKEN_BYTES_GOOD: usize = 16;

const TOKENS_FILE: Custom<NamedSecrets> = Custom {
    shape: || Shape::Text(&["/none.tokens"]),
    read: |item| read(item, &FORM),
    print: |tokens| print_path(&tokens.path),
};

const FORM: LineForm = LineForm {
    expected: "`name:token` a line, the token of visible ASCII without spaces",
    check: |token| {
        // RFC 6750, section 2.1, a little wider, as towards origins.
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a token that no header can carry".to_owned());
        }
        let is_short = token.len() < TOKEN_BYTES_GOOD;
        Ok(is_short.then(|| format!("a token of less than {TOKEN_BYTES_GOOD} characters: it can be guessed")))
    },
};
