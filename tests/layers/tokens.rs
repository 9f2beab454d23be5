//! Rust source as a list of tokens, without comments, the insides of literals, and what only tests
//! see.
//!
//! It knows as much of the language as it takes to find paths: it does not parse.

/// The tokens of a file: identifiers, `::`, and every other character by itself.
pub(crate) fn tokens(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&char) = chars.get(at) {
        let rest = &chars[at..];
        let length = match char {
            '/' if rest.get(1) == Some(&'/') => rest.iter().position(|&char| char == '\n').unwrap_or(rest.len()),
            '/' if rest.get(1) == Some(&'*') => block_comment(rest),
            '"' => 1 + quoted(&rest[1..], '"'),
            'r' | 'b' | 'c' if raw_string(rest).is_some() => raw_string(rest).unwrap_or(1),
            '\'' if rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'') => 1 + quoted(&rest[1..], '\''),
            ':' if rest.get(1) == Some(&':') => {
                tokens.push("::".to_owned());
                2
            }
            _ if is_word(char) => {
                let word: String = rest.iter().take_while(|&&char| is_word(char)).collect();
                let length = word.chars().count();
                tokens.push(word);
                length
            }
            _ => {
                if !char.is_whitespace() {
                    tokens.push(char.to_string());
                }
                1
            }
        };
        at += length;
    }
    tokens
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The length of a block comment, which may hold others.
fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at + 1 < rest.len() {
        match (rest[at], rest[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a literal's inside with its closing quote.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 0;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a raw string with its prefix, if one begins here.
fn raw_string(rest: &[char]) -> Option<usize> {
    let prefix = rest.iter().take_while(|char| matches!(char, 'b' | 'c' | 'r')).count();
    let hashes = rest[prefix..].iter().take_while(|&&char| char == '#').count();
    if rest[prefix - 1] != 'r' || rest.get(prefix + hashes) != Some(&'"') {
        return None;
    }
    let close: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let inside: String = rest[prefix + hashes + 1..].iter().collect();
    let length = inside
        .find(&close)
        .map_or(inside.chars().count(), |bytes| inside[..bytes].chars().count());
    Some(prefix + 2 * hashes + 2 + length)
}

/// Takes out the items that are compiled for tests only.
pub(crate) fn without_tests(tokens: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let attribute = attribute(&tokens[at..]);
        let has = |name: &str| attribute.iter().any(|token| token == name);
        if has("cfg") && (has("test") || has("fanfare_loom")) && !has("not") {
            at += item(&tokens[at..]).len();
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The attribute that begins here: `#`, and everything in its brackets.
fn attribute(tokens: &[String]) -> &[String] {
    if tokens.first().is_none_or(|token| token != "#") || tokens.get(1).is_none_or(|token| token != "[") {
        return &[];
    }
    &tokens[..1 + group(&tokens[1..])]
}

/// An item with the attributes in front of it, up to its `;` or its closing brace.
fn item(tokens: &[String]) -> &[String] {
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            ";" | "," => return &tokens[..=at],
            "{" => return &tokens[..at + group(&tokens[at..])],
            "(" | "[" => at += group(&tokens[at..]),
            _ => at += 1,
        }
    }
    tokens
}

/// The number of tokens from an opening bracket to the one that closes it.
fn group(tokens: &[String]) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}
