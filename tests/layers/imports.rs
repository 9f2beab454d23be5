//! The paths that a file names, as they stand in the whole crate: `crate::log::Log` is `["log",
//! "Log"]`.

/// What a file takes from the rest of the crate.
#[derive(Default)]
pub(crate) struct Imports {
    /// The modules that the file declares.
    pub(crate) modules: Vec<String>,
    /// Paths that it uses: in `use`, and in the code.
    pub(crate) used: Vec<Vec<String>>,
    /// Paths of other crates.
    pub(crate) foreign: Vec<Vec<String>>,
    /// Paths that it only hands on (`pub use`), with the names that they get.
    pub(crate) handed_on: Vec<(String, Vec<String>)>,
}

/// Finds the imports of the module `here`.
pub(crate) fn imports(tokens: &[String], here: &[String]) -> Imports {
    let mut imports = Imports {
        modules: declared(tokens),
        ..Imports::default()
    };
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" && starts_item(tokens, at) {
            let end = at
                + tokens[at..]
                    .iter()
                    .position(|token| token == ";")
                    .unwrap_or(tokens.len() - at);
            let public = at > 0 && (tokens[at - 1] == "pub" || tokens[at - 1] == ")");
            let mut found = Vec::new();
            tree(&tokens[at + 1..end], &[], &mut found);
            for (name, path) in found {
                match absolute(&path, here, &imports.modules) {
                    Some(path) if public => imports.handed_on.push((name, path)),
                    Some(path) => imports.used.push(path),
                    None => imports.foreign.push(path),
                }
            }
            at = end;
        } else if let path = path(&tokens[at..])
            && path.len() > 1
            && !goes_on_or_is_visibility(&tokens[..at])
        {
            at += 2 * path.len() - 1;
            match absolute(&path, here, &imports.modules) {
                Some(path) => imports.used.push(path),
                None if path[0].starts_with(char::is_lowercase) => imports.foreign.push(path),
                // A type of the file's own, or an imported one.
                None => {}
            }
        } else {
            at += 1;
        }
    }
    imports
}

/// Whether what follows these tokens is the rest of a path, or the path of `pub(in crate::room)`,
/// which is no import.
fn goes_on_or_is_visibility(before: &[String]) -> bool {
    let last = before.last().map_or("", String::as_str);
    last == "::" || (last == "in" && before.len() > 1 && before[before.len() - 2] == "(")
}

/// The path that begins here, if one does.
fn path(tokens: &[String]) -> Vec<String> {
    tokens.chunks(2).scan(true, segment).collect()
}

/// The next segment of a path whose tokens come in pairs, until a pair has no `::`.
fn segment(goes_on: &mut bool, pair: &[String]) -> Option<String> {
    let is_name = pair[0].starts_with(|char: char| char.is_alphabetic() || char == '_');
    let segment = (*goes_on && is_name).then(|| pair[0].clone());
    *goes_on = pair.get(1).is_some_and(|separator| separator == "::");
    segment
}

/// Whether `use` begins an item here, and is not the `use<..>` of a type.
fn starts_item(tokens: &[String], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|next| next != "<")
}

/// The names after `mod` that are files: `mod name;`.
fn declared(tokens: &[String]) -> Vec<String> {
    let files = tokens
        .windows(3)
        .filter(|window| window[0] == "mod" && window[2] == ";");
    files.map(|window| window[1].clone()).collect()
}

/// Writes out a tree of `use`: every path with the name that it gets.
fn tree(tokens: &[String], prefix: &[String], found: &mut Vec<(String, Vec<String>)>) {
    let mut path = prefix.to_vec();
    let mut name = None;
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "::" => {}
            "{" => {
                for branch in branches(&tokens[at + 1..tokens.len() - 1]) {
                    tree(branch, &path, found);
                }
                return;
            }
            "as" => {
                name = tokens.get(at + 1).cloned();
                break;
            }
            "self" if !path.is_empty() => {}
            segment => path.push(segment.to_owned()),
        }
        at += 1;
    }
    if let Some(last) = path.last() {
        found.push((name.unwrap_or_else(|| last.clone()), path));
    }
}

/// The branches between the braces of a tree, which commas part.
fn branches(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0;
    let parted = tokens.split(move |token| {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && token == ","
    });
    parted.filter(|branch| !branch.is_empty()).collect()
}

/// A path as it stands in the whole crate; `None` for one that leads out of it, or to a name of the
/// file's own.
fn absolute(path: &[String], here: &[String], modules: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let mut base = match first.as_str() {
        // `fanfare` is how the program names the library.
        "crate" | "fanfare" => Vec::new(),
        "self" => here.to_vec(),
        "super" => here[..here.len().checked_sub(1)?].to_vec(),
        _ if modules.contains(first) => [here, std::slice::from_ref(first)].concat(),
        _ => return None,
    };
    for segment in rest {
        if segment == "super" {
            base.pop()?;
        } else {
            base.push(segment.clone());
        }
    }
    Some(base)
}
