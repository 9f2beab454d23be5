//! `tail`: its arguments.

use crate::config::{self, Credentials, Secret};
use crate::upstream::Url;
use std::convert::Infallible;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

/// The environment variable with the password, for `--user NAME`.
pub(super) const PASSWORD_VARIABLE: &str = "FANFARE_PASSWORD";

/// The most that is read of a file with a password: it is no disk.
const PASSWORD_BYTES_MAX: u64 = 64 << 10;

/// `tail`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = TAIL_HELP)]
pub struct TailArgs {
    /// Address of the event stream
    #[arg(value_name = "URL", value_parser = parse_url)]
    pub url: String,
    /// Write each event as one line of JSON: `id`, `event`, `data`
    #[arg(long)]
    pub json: bool,
    /// Write when each event came, in UTC; in JSON as `time`
    #[arg(long, short = 't')]
    pub timestamps: bool,
    /// Show only events of this type; several with commas, `message` are those without a type
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub event: Vec<String>,
    /// Show only events whose data holds this text
    #[arg(long = "match", value_name = "TEXT")]
    pub text: Option<String>,
    /// Stop after so many events have been shown
    #[arg(long, short = 'n', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Begin with what comes after the event with this id
    #[arg(long, value_name = "ID")]
    pub last_event_id: Option<String>,
    /// Ask for what has come since then too: `10m`, or a time such as `2026-11-29T12:00:00Z`; asked
    /// by `?since=`, which not every server knows
    #[arg(long, value_name = "TIME", value_parser = parse_since, conflicts_with = "last_event_id")]
    pub since: Option<String>,
    /// Log in with this name; the password is given here (others on this machine can see it), by
    /// --password-file, or by $FANFARE_PASSWORD
    #[arg(long, value_name = "NAME[:PASSWORD]", value_parser = parse_user)]
    pub user: Option<User>,
    /// Read the password from this file, without the line end behind it
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Send this request header, `Name: value`; may be repeated
    #[arg(long = "header", short = 'H', value_name = "HEADER", value_parser = parse_header)]
    pub headers: Vec<(hyper::header::HeaderName, hyper::header::HeaderValue)>,
    /// Take any certificate: who answers may be anyone, and gets what logs you in
    #[arg(long)]
    pub insecure: bool,
    /// When to colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Colour,
}

/// What stands below the options.
const TAIL_HELP: &str =
    "It follows the stream until that ends, or until you stop it (Ctrl-C). After a cut it comes back by \
itself and goes on where it was.

  fanfare tail https://example.com/events
  fanfare tail --timestamps --event change,delete --match section/7 https://example.com/events
  fanfare tail --json --user ann --password-file secret https://example.com/events | jq .data";

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `$NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Whether standard output is to be coloured.
    pub(super) fn is_wanted(self) -> bool {
        match self {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// A user name, and a password if it was given with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name; empty: there was none.
    pub name: String,
    /// The password.
    pub password: Option<Secret>,
}

/// Takes anything: what is refused here would be repeated by the message, with its password.
fn parse_user(text: &str) -> Result<User, Infallible> {
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(Secret(password.to_owned()))),
        None => (text, None),
    };
    let name = name.to_owned();
    Ok(User { name, password })
}

impl TailArgs {
    /// What the user logs in with, or what is wrong with it; never with the password.
    pub(super) fn credentials(&self, environment: Option<String>) -> Result<Option<Credentials>, String> {
        let Some(user) = &self.user else { return Ok(None) };
        let password = match (&user.password, &self.password_file) {
            (Some(_), Some(_)) => return Err("a password is given by --user and by --password-file".to_owned()),
            (Some(password), None) => password.clone(),
            (None, Some(file)) => read_password(file)?,
            (None, None) => Secret(environment.ok_or_else(|| {
                format!("there is no password: --user NAME:PASSWORD, --password-file, or ${PASSWORD_VARIABLE}")
            })?),
        };
        let name = &user.name;
        if name.is_empty()
            || [name, &password.0]
                .iter()
                .any(|text| text.chars().any(char::is_control))
        {
            return Err("--user is a name, or a name with its password: `name:password`".to_owned());
        }
        Ok(Some(Credentials::Basic {
            username: name.clone(),
            password,
        }))
    }

    /// The address that is asked.
    pub(super) fn address(&self) -> String {
        match (&self.since, url::Url::parse(&self.url)) {
            (Some(since), Ok(mut url)) => {
                url.query_pairs_mut().append_pair("since", since);
                url.into()
            }
            _ => self.url.clone(),
        }
    }
}

fn read_password(file: &Path) -> Result<Secret, String> {
    let unreadable = |error: std::io::Error| format!("{}: can't be read: {error}", file.display());
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened
        .take(PASSWORD_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(Secret(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// An address that can never be asked is a mistake of the command line, not a failure that may
/// heal.
fn parse_url(text: &str) -> Result<String, String> {
    Url::parse(text).map_err(|why| format!("{why}; expected a URL such as `https://origin.example.com/events`"))?;
    Ok(text.to_owned())
}

/// A length of time, or a point in time (RFC 3339).
fn parse_since(text: &str) -> Result<String, String> {
    const TIME: &str = "dddd-dd-ddTdd:dd:dd";
    let fits = |(c, form): (char, char)| if form == 'd' { c.is_ascii_digit() } else { c == form };
    let is_time = text.len() > TIME.len()
        && text.chars().zip(TIME.chars()).all(fits)
        && text.ends_with(|c: char| c == 'Z' || c.is_ascii_digit());
    match is_time || config::parse_duration(text).is_ok() {
        true => Ok(text.to_owned()),
        false => Err("expected a length of time such as `10m`, or a time such as `2026-11-29T12:00:00Z`".to_owned()),
    }
}

fn parse_header(text: &str) -> Result<(hyper::header::HeaderName, hyper::header::HeaderValue), &'static str> {
    const FORM: &str = "expected a header such as `Authorization: Bearer ...`";
    let (name, value) = text.split_once(':').ok_or(FORM)?;
    let name = name.trim().parse().map_err(|_| FORM)?;
    let value = value.trim().parse().map_err(|_| FORM)?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        tail: TailArgs,
    }

    fn args(line: &str) -> Result<TailArgs, clap::Error> {
        use clap::Parser as _;
        let words = std::iter::once("tail").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.tail)
    }

    fn basic(name: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Basic {
            username: name.to_owned(),
            password: Secret(password.to_owned()),
        })
    }

    #[test]
    fn passwords_come_with_the_name_from_a_file_or_from_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "from file\r\n").unwrap();
        let credentials = |line: &str, environment: Option<&str>| {
            let line = line.replace("FILE", &file.display().to_string());
            let args = args(&format!("http://o/ {line}")).unwrap();
            args.credentials(environment.map(str::to_owned))
        };
        assert_eq!(credentials("", Some("x")), Ok(None));
        assert_eq!(credentials("--user ann:a:b", Some("x")), Ok(basic("ann", "a:b")));
        assert_eq!(credentials("--user ann:", Some("x")), Ok(basic("ann", "")));
        assert_eq!(credentials("--user ann", Some("x")), Ok(basic("ann", "x")));
        let from_file = credentials("--user ann --password-file FILE", Some("x"));
        assert_eq!(from_file, Ok(basic("ann", "from file")));
        for wrong in [
            "--user ann",
            "--user :s3cret",
            "--user ann:s3cret\u{7}",
            "--user ann:s3cret --password-file FILE",
            "--user ann --password-file FILE.none",
        ] {
            let said = credentials(wrong, None).expect_err(wrong);
            assert!(!said.contains("s3cret"), "{said}");
        }
        assert!(args("http://o/ --password-file f").is_err(), "whose password?");
    }

    #[test]
    fn since_is_asked_of_the_server() {
        for since in ["10m", "2026-11-29T12:00:00Z", "2026-11-29T12:00:00.5+01:00"] {
            let args = args(&format!("http://o/a?b=c --since {since}")).expect(since);
            let encoded: String = url::form_urlencoded::byte_serialize(since.as_bytes()).collect();
            assert_eq!(args.address(), format!("http://o/a?b=c&since={encoded}"));
        }
        for wrong in ["", "yesterday", "2026-11-29", "2026-11-29T12:00:00", "10"] {
            assert!(args(&format!("http://o/ --since={wrong}")).is_err(), "{wrong}");
        }
        assert!(args("http://o/ --since 1m --last-event-id 7").is_err());
        assert_eq!(args("http://o/a?b=%20").unwrap().address(), "http://o/a?b=%20");
    }

    #[test]
    fn headers() {
        let (name, value) = parse_header("X-A: b: c ").expect("a header");
        assert_eq!((name.as_str(), value.as_bytes()), ("x-a", b"b: c".as_slice()));
        assert!(parse_header("X-A").is_err() && parse_header("a b: c").is_err());
    }
}
