//! The one key that a command beside the running process needs.
//!
//! An operator's shell has neither the service's secrets nor, perhaps, the right to read the files
//! that the configuration names. So nothing else of it is looked at: a variable that is not set, or
//! a mistake elsewhere, is for the process that serves by it.

use super::addresses::SOCKET_PATH;
use super::codec::Codec as _;
use super::diagnostics::{Collector, Diagnostics};
use super::item::Item;
use super::load::text_of_file;
use super::yaml;
use std::path::{Path, PathBuf};

/// The socket that a file names in `handover`; `None`: it names none.
pub fn handover(path: &Path) -> Result<Option<PathBuf>, Diagnostics> {
    let name = path.display().to_string();
    read(&text_of_file(path, &name)?, &name, &|variable| {
        std::env::var(variable).ok()
    })
}

fn read(text: &str, file_name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<PathBuf>, Diagnostics> {
    let whole = Collector::new(file_name);
    let Some(root) = yaml::parse(text, env, &whole) else {
        return whole.finish(Some(None)).map(|(none, _)| none);
    };
    let diagnostics = Collector::new(file_name);
    let Some(item) = Item::root(&diagnostics, &root).at("handover") else {
        return Ok(None);
    };
    match SOCKET_PATH.read(&item) {
        Some(socket) => Ok(Some(socket)),
        None if diagnostics.is_clean() => whole.only("handover").finish(None).map(|(none, _)| none),
        None => diagnostics.finish(None).map(|(none, _)| none),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_by(text: &str) -> Result<Option<PathBuf>, String> {
        let env = |variable: &str| (variable == "RUN").then(|| "/run/here".to_owned());
        read(text, "/etc/fanfare.yaml", &env).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn nothing_else_has_to_be_known() {
        let other = "sources: { s: { path: /e, upstream: { url: \"http://o/\", password: \"${SECRET}\" } } }\nfoo: 1\n";
        let found = |line: &str| read_by(&format!("{other}{line}"));
        assert_eq!(found("handover: /run/h.sock\n"), Ok(Some("/run/h.sock".into())));
        assert_eq!(
            found("handover: \"${RUN}/h.sock\"\n"),
            Ok(Some("/run/here/h.sock".into()))
        );
        assert_eq!(found("handover: h.sock\n"), Ok(Some("/etc/h.sock".into())));
        assert_eq!(found(""), Ok(None));
        assert_eq!(read_by(""), Ok(None));
    }

    #[test]
    fn what_is_wrong_with_it_is_said_and_no_more() {
        let other = "foo: \"${SECRET}\"\n";
        let said = |line: &str| read_by(&format!("{other}{line}")).unwrap_err();
        let unset = said("handover: \"${NOWHERE}/h.sock\"\n");
        assert!(unset.contains("NOWHERE") && !unset.contains("SECRET"), "{unset}");
        let no_path = said("handover: [1]\n");
        assert!(no_path.contains("a socket's path"), "{no_path}");
        let broken = said("handover: {\n");
        assert!(broken.contains("not valid YAML"), "{broken}");
    }
}
