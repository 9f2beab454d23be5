//! `tail`: its arguments.

use crate::config::Secret;
use crate::upstream::Url;
use std::str::FromStr;

/// `tail`.
#[derive(Debug, Clone, clap::Args)]
pub struct TailArgs {
    /// The event stream
    #[arg(value_name = "URL", value_parser = parse_url)]
    pub url: String,
    /// One JSON object a line: `id`, `event`, `data`
    #[arg(long)]
    pub json: bool,
    /// Credentials for HTTP Basic authentication; without PASSWORD, it is $FANFARE_PASSWORD
    #[arg(long, value_name = "NAME[:PASSWORD]")]
    pub user: Option<User>,
    /// A request header, `Name: value`; may be repeated
    #[arg(long = "header", short = 'H', value_name = "HEADER", value_parser = parse_header)]
    pub headers: Vec<(hyper::header::HeaderName, hyper::header::HeaderValue)>,
    /// Begin after this event
    #[arg(long, value_name = "ID")]
    pub last_event_id: Option<String>,
    /// End after so many events
    #[arg(long, short = 'n', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// When to colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Colour,
}

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

/// A user name, and a password if it was given with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: Option<Secret>,
}

impl FromStr for User {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, password) = match text.split_once(':') {
            Some((name, password)) => (name, Some(Secret(password.to_owned()))),
            None => (text, None),
        };
        match name.is_empty() || text.chars().any(char::is_control) {
            true => Err("expected a user name, or one with its password: `name:password`"),
            false => Ok(Self {
                name: name.to_owned(),
                password,
            }),
        }
    }
}

/// An address that can never be asked is a mistake of the command line, not a failure that may
/// heal.
fn parse_url(text: &str) -> Result<String, String> {
    Url::parse(text).map_err(|why| format!("{why}; expected a URL such as `https://origin.example.com/events`"))?;
    Ok(text.to_owned())
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

    #[test]
    fn users() {
        let user: User = "relay:a:b".parse().expect("a user");
        assert_eq!(
            (user.name.as_str(), user.password),
            ("relay", Some(Secret("a:b".to_owned())))
        );
        assert_eq!("relay".parse::<User>().expect("a user").password, None);
        assert!(":x".parse::<User>().is_err() && "".parse::<User>().is_err());
    }

    #[test]
    fn headers() {
        let (name, value) = parse_header("X-A: b: c ").expect("a header");
        assert_eq!((name.as_str(), value.as_bytes()), ("x-a", b"b: c".as_slice()));
        assert!(parse_header("X-A").is_err() && parse_header("a b: c").is_err());
    }
}
