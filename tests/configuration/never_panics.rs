//! Whatever the bytes are, reading them is an answer.

use crate::legacy::LEGACY;
use crate::read;
use fanfare::config;
use proptest::prelude::*;

proptest! {
    #[test]
    fn on_random_text(text in "\\PC{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn on_random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&String::from_utf8_lossy(&bytes));
    }

    /// A right file with one byte range replaced: the reader is reached, not just the parser.
    #[test]
    fn on_broken_files(legacy in any::<bool>(), at in 0..2000_usize, gone in 0..20_usize, new in "[a-z{}:\\[\\],\"'$&*!|>%#\n -]{0,12}") {
        let example = include_str!("../../deploy/examples/fanfare.yaml");
        let text = if legacy { LEGACY } else { example };
        let mut chars: Vec<char> = text.chars().collect();
        let start = (at * 7) % chars.len();
        let end = (start + gone).min(chars.len());
        chars.splice(start..end, new.chars());
        let text: String = chars.into_iter().collect();
        if let Ok(loaded) = read(&text) {
            prop_assert!(config::read(&config::print(&loaded), "printed", &|_| None).is_ok());
        }
    }
}
