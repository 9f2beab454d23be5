//! `check`: what is wrong with a configuration, all of it; or what it comes down to.

use super::find::find;
use crate::config;
use crate::error::Exit;
use std::io::Write;
use std::path::PathBuf;

/// `check`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CheckArgs {
    /// Configuration file [default: $FANFARE_CONFIG, then fanfare.yaml, then /etc/fanfare/fanfare.yaml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the effective configuration, secrets masked; a legacy file in the new form
    #[arg(long)]
    pub print: bool,
}

/// Checks a file: mistakes and warnings go to `err`, one a line; the result, or the configuration, to `out`.
pub fn check(args: &CheckArgs, out: &mut impl Write, err: &mut impl Write) -> std::io::Result<Exit> {
    let file = match find(args.config.as_deref()) {
        Ok(file) => file,
        Err(error) => {
            writeln!(err, "fanfare: {error}")?;
            return Ok(Exit::Usage);
        }
    };
    let loaded = match config::load(&file) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            writeln!(err, "{mistakes}")?;
            return Ok(Exit::Usage);
        }
    };
    for warning in &loaded.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    if args.print {
        write!(out, "{}", config::print(&loaded))?;
    } else {
        let sources = counted(loaded.config.sources.len(), "source");
        let warnings = counted(loaded.warnings.len(), "warning");
        writeln!(out, "{}: no mistakes; {sources}, {warnings}", file.display())?;
    }
    Ok(Exit::Done)
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str, print: bool) -> (Exit, String, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("f.yaml");
        std::fs::write(&file, text).expect("written");
        let args = CheckArgs {
            config: Some(file.clone()),
            print,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = check(&args, &mut out, &mut err).expect("written");
        let text = |bytes| {
            String::from_utf8(bytes)
                .expect("text")
                .replace(&file.display().to_string(), "f.yaml")
        };
        (exit, text(out), text(err))
    }

    #[test]
    fn a_right_file() {
        let (exit, out, err) = checked(
            "sources: {a: {path: /, upstream: http://o/}}\ndrain: {spread: 1m}\n",
            false,
        );
        assert_eq!(exit, Exit::Done);
        assert_eq!(out, "f.yaml: no mistakes; 1 source, 1 warning\n");
        assert!(
            err.starts_with("warning: f.yaml:2:8: drain: `spread` is longer"),
            "{err}"
        );
    }

    #[test]
    fn a_wrong_file() {
        let (exit, out, err) = checked("sources: {a: {path: /, upstraem: http://o/}}\n", true);
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
        assert_eq!(
            err,
            "f.yaml:1:14: sources.a.upstream: missing; expected a URL, a mapping, or a list of them\n\
             f.yaml:1:24: sources.a.upstraem: unknown key `upstraem`; did you mean `upstream`?\n"
        );
    }

    #[test]
    fn printing_is_yaml_only() {
        let (exit, out, err) = checked("sources: {a: {path: /, upstream: http://o/}}\n", true);
        assert_eq!((exit, err.as_str()), (Exit::Done, ""));
        assert!(config::read(&out, "printed", &|_| None).is_ok(), "{out}");
    }
}
