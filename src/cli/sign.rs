//! `sign`: a URL that lets in whoever has it, until it expires.

use crate::access::{self, SignedUrl};
use crate::config::{self, NamedSecret, SignedAccess};
use crate::error::Exit;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `sign`.
#[derive(Debug, Clone, clap::Args)]
pub struct SignArgs {
    /// File of keys, `ID:BASE64` a line, as `access: [signed: ...]` names it
    #[arg(long, value_name = "FILE")]
    pub keys_file: PathBuf,
    /// ID of the key [default: the first of the file]
    #[arg(long, value_name = "ID")]
    pub key: Option<String>,
    /// For how long it is good, such as `1h`
    #[arg(long, value_name = "DURATION", value_parser = parse_expires)]
    pub expires: Duration,
    /// Path and query, as a client is to ask for them
    #[arg(value_name = "PATH")]
    pub path: String,
}

/// Writes the signed path and query to `out`; what is wrong, a line each, to `err`.
pub fn sign(args: &SignArgs, out: &mut impl Write, err: &mut impl Write) -> std::io::Result<Exit> {
    match signed(args, SystemTime::now()) {
        Ok(url) => writeln!(out, "{url}").map(|()| Exit::Done),
        Err(mistakes) => {
            for mistake in mistakes {
                writeln!(err, "fanfare: {mistake}")?;
            }
            Ok(Exit::Usage)
        }
    }
}

fn signed(args: &SignArgs, now: SystemTime) -> Result<String, Vec<String>> {
    let keys = config::read_signing_keys(&args.keys_file)?;
    let key = chosen(args, &keys).map_err(|mistake| vec![mistake])?;
    let bytes = SignedAccess::key_bytes(key).unwrap_or_default();
    // Whole seconds: no shorter than was asked for.
    let until = now + args.expires + Duration::from_millis(999);
    let url = SignedUrl {
        target: &args.path,
        expires: until.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        key_id: &key.name,
        key: &bytes,
    };
    access::sign(&url).map_err(|why| vec![format!("the path can't be signed: {why}")])
}

fn chosen<'a>(args: &SignArgs, keys: &'a [NamedSecret]) -> Result<&'a NamedSecret, String> {
    let Some(id) = &args.key else {
        // The file has one at least.
        return keys.first().ok_or_else(|| "no key".to_owned());
    };
    keys.iter().find(|key| key.name == *id).ok_or_else(|| {
        let known: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        format!(
            "no key `{id}` in {}; expected one of {}",
            args.keys_file.display(),
            known.join(", ")
        )
    })
}

pub(super) fn parse_expires(text: &str) -> Result<Duration, String> {
    match config::parse_duration(text)? {
        Duration::ZERO => Err("expected more than no time".to_owned()),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(keys: &str, key: Option<&str>, path: &str) -> (Exit, String, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let keys_file = folder.path().join("keys");
        std::fs::write(&keys_file, keys).expect("written");
        let args = SignArgs {
            keys_file,
            key: key.map(str::to_owned),
            expires: Duration::from_secs(3600),
            path: path.to_owned(),
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = sign(&args, &mut out, &mut err).expect("written");
        (
            exit,
            String::from_utf8(out).expect("text"),
            String::from_utf8(err).expect("text"),
        )
    }

    #[test]
    fn a_path_is_signed_by_the_first_key_or_the_one_that_is_named() {
        let keys = "# newest first\nk2:c2Vjb25k\nk1:Zmlyc3Q=\n";
        for (key, named) in [(None, "&key=k2&"), (Some("k1"), "&key=k1&")] {
            let (exit, out, err) = of(keys, key, "/jobs/7?source=a");
            assert_eq!((exit, err.as_str()), (Exit::Done, ""));
            assert!(
                out.starts_with("/jobs/7?source=a&expires=") && out.contains(named),
                "{out}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_and_no_secret_with_it() {
        for (keys, key, path, said) in [
            ("k1:Zmlyc3Q=\n", Some("k2"), "/a", "no key `k2`"),
            ("k1:Zmlyc3Q=\n", None, "a", "begins with `/`"),
            ("k1:Zmlyc3Q=\n", None, "https://h/a", "begins with `/`"),
            (
                "k1:Zmlyc3Q=\n",
                None,
                "/a?signature=x",
                "a parameter `signature` already",
            ),
            ("k1:hunter2?\n", None, "/a", ":1: a key that is not base64"),
            ("hunter2\n", None, "/a", ":1: a line without `:`"),
            ("", None, "/a", "no key"),
        ] {
            let (exit, out, err) = of(keys, key, path);
            assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{path}");
            assert!(err.contains(said) && !err.contains("hunter2"), "{err}");
        }
        assert!(parse_expires("0s").is_err() && parse_expires("1").is_err() && parse_expires("90m").is_ok());
    }
}
