//! `check`: what is wrong with a configuration, and what will hurt, all of it; or what it comes
//! down to.

use super::excerpt::excerpt;
use super::find::find;
use super::machine::machine_of;
use crate::config::{self, Diagnostic, Loaded};
use crate::error::Exit;
use serde_json::Value as Json;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Standard input, where a file is asked for, and what messages call it.
const STDIN: (&str, &str) = ("-", "<stdin>");

/// `check`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CheckArgs {
    /// Configuration file, `-` for standard input [default: $FANFARE_CONFIG, then fanfare.yaml,
    /// then /etc/fanfare/fanfare.yaml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the effective configuration, secrets masked; a legacy file in the new form
    #[arg(long)]
    pub print: bool,
    /// Write mistakes and warnings to standard output, as a JSON array for editors
    #[arg(long, conflicts_with = "print")]
    pub json: bool,
}

/// What there is to say of a file.
struct Checked {
    /// What messages call the file.
    name: String,
    /// `None`: it can't be used.
    loaded: Option<Loaded>,
    said: Vec<Diagnostic>,
    /// The file, as far as it can be read.
    text: String,
}

/// Checks a file: mistakes and warnings go to `err`, each with the line that it is about; the
/// result, or the configuration, to `out`. `stdin` is read if the file is `-`.
pub fn check(args: &CheckArgs, stdin: impl Read, out: &mut impl Write, err: &mut impl Write) -> std::io::Result<Exit> {
    let file = match find(args.config.as_deref()) {
        Ok(file) => file,
        Err(error) => {
            if args.json {
                let whole = Diagnostic::of_the_whole("", error.to_string());
                write_json(&[whole], out)?;
            } else {
                writeln!(err, "fanfare: {error}")?;
            }
            return Ok(Exit::Usage);
        }
    };
    let checked = Checked::of(&file, stdin);
    match args.json {
        true => write_json(&checked.said, out)?,
        false => checked.say(args.print, out, err)?,
    }
    Ok(match checked.loaded {
        Some(_) => Exit::Done,
        None => Exit::Usage,
    })
}

impl Checked {
    fn of(file: &Path, stdin: impl Read) -> Self {
        let mut text = Vec::new();
        let (name, read) = match file.as_os_str() == STDIN.0 {
            true => (
                STDIN.1.to_owned(),
                config::load_from(Kept::new(stdin, &mut text), STDIN.1),
            ),
            false => {
                let name = file.display().to_string();
                // One look at it: what is shown is what was read.
                let read = match std::fs::File::open(file) {
                    Ok(opened) => config::load_from(Kept::new(opened, &mut text), &name),
                    Err(_) => config::load(file),
                };
                (name, read)
            }
        };
        let judged = read.and_then(|loaded| {
            let machine = machine_of(&loaded.config);
            loaded.judge(&machine)
        });
        let (loaded, said) = match judged {
            Ok(loaded) => {
                let warnings = loaded.warnings.clone();
                (Some(loaded), warnings)
            }
            Err(mistakes) => (None, mistakes.iter().cloned().collect()),
        };
        Self {
            name,
            loaded,
            said,
            text: String::from_utf8_lossy(&text).into_owned(),
        }
    }

    fn say(&self, print: bool, out: &mut impl Write, err: &mut impl Write) -> std::io::Result<()> {
        for said in &self.said {
            let kind = if self.loaded.is_some() { "warning: " } else { "" };
            writeln!(err, "{kind}{said}")?;
            // Other files, which the configuration names, hold secrets.
            if said.file == self.name
                && let Some(excerpt) = excerpt(&self.text, said)
            {
                writeln!(err, "{excerpt}")?;
            }
        }
        match &self.loaded {
            Some(loaded) if print => write!(out, "{}", config::print(loaded)),
            Some(loaded) => {
                let sources = counted(loaded.config.sources.len(), "source");
                let warnings = counted(self.said.len(), "warning");
                writeln!(out, "{}: no mistakes; {sources}, {warnings}", self.name)
            }
            None => Ok(()),
        }
    }
}

/// Keeps what is read through it.
struct Kept<'a, R> {
    reader: R,
    bytes: &'a mut Vec<u8>,
}

impl<'a, R> Kept<'a, R> {
    fn new(reader: R, bytes: &'a mut Vec<u8>) -> Self {
        Self { reader, bytes }
    }
}

impl<R: Read> Read for Kept<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.bytes.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

fn write_json(said: &[Diagnostic], out: &mut impl Write) -> std::io::Result<()> {
    let said: Json = said.iter().map(Diagnostic::to_json).collect();
    writeln!(out, "{said:#}")
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a file; or of standard input, if there is no file.
    fn checked(args: CheckArgs, text: &str) -> (Exit, String, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("f.yaml");
        std::fs::write(&file, text).expect("written");
        let args = CheckArgs {
            config: args.config.or_else(|| Some(file.clone())),
            ..args
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = check(&args, text.as_bytes(), &mut out, &mut err).expect("written");
        let text = |bytes| {
            String::from_utf8(bytes)
                .expect("text")
                .replace(&file.display().to_string(), "f.yaml")
        };
        (exit, text(out), text(err))
    }

    fn plain() -> CheckArgs {
        CheckArgs::default()
    }

    fn print() -> CheckArgs {
        CheckArgs { print: true, ..plain() }
    }

    fn json() -> CheckArgs {
        CheckArgs { json: true, ..plain() }
    }

    /// Few clients: the limit on open files of the machine that tests this is not known.
    const RIGHT: &str = "sources: {a: {path: /, upstream: http://o/}}\nlimits: {clients: 1}\n";
    const WRONG: &str = "sources: {a: {path: /, upstraem: http://o/}}\n";

    #[test]
    fn a_right_file() {
        let (exit, out, err) = checked(plain(), &format!("{RIGHT}drain: {{spread: 1m}}\n"));
        assert_eq!(exit, Exit::Done);
        assert_eq!(out, "f.yaml: no mistakes; 1 source, 1 warning\n");
        assert!(
            err.starts_with("warning: f.yaml:3:8: drain: `spread` is longer"),
            "{err}"
        );
    }

    #[test]
    fn a_wrong_file() {
        let (exit, out, err) = checked(print(), WRONG);
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
        assert_eq!(
            err,
            "f.yaml:1:14: sources.a.upstream: missing; expected a URL, a mapping, or a list of them\n  |\n\
             1 | sources: {a: {path: /, upstraem: http://o/}}\n  |              ^\n\
             f.yaml:1:24: sources.a.upstraem: unknown key `upstraem`; did you mean `upstream`?\n  |\n\
             1 | sources: {a: {path: /, upstraem: http://o/}}\n  |                        ^^^^^^^^\n"
        );
    }

    #[test]
    fn printing_is_yaml_only() {
        let (exit, out, err) = checked(print(), RIGHT);
        assert_eq!((exit, err.as_str()), (Exit::Done, ""));
        assert!(config::read(&out, "printed", &|_| None).is_ok(), "{out}");
    }

    #[test]
    fn editors_get_json() {
        let (exit, out, err) = checked(json(), WRONG);
        assert_eq!((exit, err.as_str()), (Exit::Usage, ""));
        let said: Json = serde_json::from_str(&out).expect("JSON");
        let expected = serde_json::json!([
            {
                "severity": "mistake", "file": "f.yaml", "line": 1, "column": 14, "key": "sources.a.upstream",
                "message": "missing", "expected": "a URL, a mapping, or a list of them",
                "hint": "expected a URL, a mapping, or a list of them",
            },
            {
                "severity": "mistake", "file": "f.yaml", "line": 1, "column": 24, "key": "sources.a.upstraem",
                "message": "unknown key `upstraem`; did you mean `upstream`?", "expected": null,
                "hint": "did you mean `upstream`?",
            },
        ]);
        assert_eq!(said, expected);

        assert_eq!(checked(json(), RIGHT), (Exit::Done, "[]\n".to_owned(), String::new()));
        let (exit, out, _) = checked(json(), &format!("{RIGHT}drain: {{spread: 1m}}\n"));
        let said: Json = serde_json::from_str(&out).expect("JSON");
        assert_eq!(
            (exit, &said[0]["severity"], &said[0]["line"]),
            (Exit::Done, &"warning".into(), &3.into())
        );
    }

    #[test]
    fn editors_send_what_is_not_saved() {
        let stdin = CheckArgs {
            config: Some("-".into()),
            ..plain()
        };
        let (exit, out, _) = checked(stdin.clone(), RIGHT);
        assert_eq!(
            (exit, out.as_str()),
            (Exit::Done, "<stdin>: no mistakes; 1 source, 0 warnings\n")
        );
        let (exit, _, err) = checked(stdin, WRONG);
        assert_eq!(exit, Exit::Usage);
        assert!(err.starts_with("<stdin>:1:14: sources.a.upstream: missing"), "{err}");
    }
}
