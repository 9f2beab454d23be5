//! Which file is the configuration.

use std::path::{Path, PathBuf};

/// The variable that names the file.
const VARIABLE: &str = "FANFARE_CONFIG";
/// Where it is looked for, in this order.
const PLACES: [&str; 2] = ["fanfare.yaml", "/etc/fanfare/fanfare.yaml"];

/// There is no configuration file where one is looked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no configuration: ${VARIABLE} is not set, and there is neither `fanfare.yaml` nor `/etc/fanfare/fanfare.yaml`\n\
     name one with `--config FILE`, or do without: `fanfare serve --upstream URL` relays one stream, `fanfare demo` shows how it works"
)]
pub struct NotFound;

/// The file: the one named, else `$FANFARE_CONFIG`, else the first that exists of the usual places.
/// One that is named is not looked at: if it can't be read, that is the mistake to tell.
pub fn find(named: Option<&Path>) -> Result<PathBuf, NotFound> {
    let variable = std::env::var_os(VARIABLE)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    choose(named.map(Path::to_path_buf), variable, Path::exists)
}

fn choose(named: Option<PathBuf>, variable: Option<PathBuf>, exists: fn(&Path) -> bool) -> Result<PathBuf, NotFound> {
    let usual = || PLACES.iter().map(PathBuf::from).find(|path| exists(path));
    named.or(variable).or_else(usual).ok_or(NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_documented_order() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(choose(path("a"), path("b"), |_| true), Ok("a".into()));
        assert_eq!(choose(None, path("b"), |_| true), Ok("b".into()));
        assert_eq!(choose(None, None, |_| true), Ok("fanfare.yaml".into()));
        assert_eq!(
            choose(None, None, Path::is_absolute),
            Ok("/etc/fanfare/fanfare.yaml".into())
        );
        assert_eq!(choose(None, None, |_| false), Err(NotFound));
        let told = NotFound.to_string();
        assert!(told.contains("--upstream") && told.contains("demo"), "{told}");
    }
}
