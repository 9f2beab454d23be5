//! The command line: what can be said on it, and the commands that need no relay.
//!
//! `main` parses a [`Cli`] and matches on its [`Command`]. What runs a relay is elsewhere; here is
//! how its configuration is found and overridden. Usage mistakes end with exit code 2, as clap's
//! do.

mod check;
mod crowd;
mod demo;
mod excerpt;
mod find;
mod follow;
mod health;
mod machine;
mod man;
mod reload;
mod serve;
mod shown;
mod sign;
mod successor;
mod tail;
mod upgrade;

pub use check::{CheckArgs, check};
pub use crowd::crowd;
pub use demo::{Demo, DemoArgs, DemoError, crowd_of};
pub use find::{NotFound, find};
pub use follow::tail;
pub use health::{HealthArgs, health};
pub use man::{ManArgs, man};
pub use reload::FileReloads;
pub use serve::{Configured, Listeners, ServeArgs, ServeError};
pub use sign::{SignArgs, sign};
pub use successor::{Program, Upgrades};
pub use tail::{Colour, TailArgs, User};
pub use upgrade::{UpgradeArgs, upgrade};

use crate::telemetry::{self, LogFormat};
use clap::{CommandFactory, Parser, Subcommand};
use std::io::Write;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "fanfare", version, about, max_term_width = 100, propagate_version = true)]
#[command(after_help = "Exit codes: 0 done or drained, 1 failed, 2 usage or configuration.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What is logged.
    #[command(flatten)]
    pub logs: Logs,
}

/// What is logged, for every command.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Logs")]
pub struct Logs {
    /// Log filter, such as `info`, or `warn,fanfare::upstream=debug` [default: $RUST_LOG, then
    /// info]
    #[arg(long, value_name = "FILTER", global = true, env = "FANFARE_LOG", value_parser = parse_filter)]
    pub log: Option<String>,
    /// Form of the log lines, on standard error
    #[arg(
        long,
        value_name = "FORMAT",
        global = true,
        env = "FANFARE_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

impl Logs {
    /// The filter in force: the command line's, else `RUST_LOG`, else the file's, else the default.
    ///
    /// `RUST_LOG` may have been set for another program: what is no filter is ignored, and a line
    /// for the log says so.
    pub fn filter(&self, from_file: Option<&str>) -> (String, Option<String>) {
        let variable = std::env::var("RUST_LOG").unwrap_or_default();
        let ignored = telemetry::check_filter(&variable).err();
        let from_variable = (!variable.is_empty() && ignored.is_none()).then_some(&*variable);
        let filter = self.log.as_deref().or(from_variable).or(from_file);
        let warning = ignored.map(|error| format!("RUST_LOG is ignored: {error}"));
        (filter.unwrap_or(telemetry::DEFAULT_FILTER).to_owned(), warning)
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the relay
    Serve(ServeArgs),
    /// Run an embedded change-log origin and the relay in front of it, to try out
    Demo(DemoArgs),
    /// Report every mistake of a configuration at once
    Check(CheckArgs),
    /// Follow an event stream in the terminal
    Tail(TailArgs),
    /// Ask a running relay whether it is ready: exit code 0 or 1, and why not
    Health(HealthArgs),
    /// Make the running relay hand over to the program at its path, without cutting a client
    Upgrade(UpgradeArgs),
    /// Sign a path, so that whoever has it may read until it expires
    Sign(SignArgs),
    /// Write the JSON Schema of the configuration file to standard output
    Schema,
    /// Write the shell's completions to standard output
    Completions(CompletionsArgs),
    /// The process of the demo's clients
    #[command(hide = true)]
    Crowd,
    /// Write manual pages, one per command, into a directory
    #[command(hide = true)]
    Man(ManArgs),
}

/// `completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Writes the JSON Schema of the configuration file, for editors.
pub fn schema(out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{:#}", crate::config::json_schema())
}

/// Writes a shell's completions.
pub fn completions(args: &CompletionsArgs, out: &mut impl Write) -> std::io::Result<()> {
    // clap_complete panics where its writer fails: it gets one that doesn't.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fanfare", &mut text);
    out.write_all(&text)
}

fn parse_filter(text: &str) -> Result<String, String> {
    telemetry::check_filter(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn documented_lines_are_taken() {
        for line in [
            "fanfare serve",
            "fanfare serve --config f.yaml",
            "fanfare serve --upstream http://o/sse",
            "fanfare serve --upstream http://o/sse --path /events --listen 127.0.0.1:0 --listen unix:/tmp/s --admin 127.0.0.1:0",
            "fanfare serve --log debug --log-format json",
            "fanfare --log debug serve",
            "fanfare demo",
            "fanfare demo --listen 0.0.0.0:9080 --admin 127.0.0.1:0 --page 127.0.0.1:0",
            "fanfare check",
            "fanfare check --config f.yaml --print",
            "fanfare check --config - --json",
            "fanfare tail http://o/sse --json --user relay:secret",
            "fanfare tail http://o/sse -t --event a,b --match x --since 10m --insecure -n 3",
            "fanfare health --admin 127.0.0.1:7090 --live",
            "fanfare serve --config f.yaml --takeover",
            "fanfare upgrade",
            "fanfare upgrade --config f.yaml --timeout 10s",
            "fanfare sign --keys-file keys --expires 1h /events",
            "fanfare sign --keys-file keys --key k1 --expires 90m /events?source=a",
            "fanfare schema",
            "fanfare completions bash",
            "fanfare man /tmp",
        ] {
            if let Err(error) = parse(line) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn wrong_lines_end_with_2() {
        for line in [
            "fanfare",
            "fanfare serve --config f.yaml --upstream http://o/",
            "fanfare serve --path /x",
            "fanfare serve --listen nowhere",
            "fanfare serve --log fanfare=loud",
            "fanfare serve --log-format xml",
            "fanfare serve --unknown",
            "fanfare check --json --print",
            "fanfare tail",
            "fanfare tail nowhere",
            "fanfare tail ftp://o/sse",
            "fanfare tail http://o/sse --since yesterday",
            "fanfare tail http://o/sse --since 1m --last-event-id 7",
            "fanfare health --admin nowhere",
            "fanfare serve --upstream http://o/ --takeover",
            "fanfare upgrade --timeout soon",
            "fanfare sign --keys-file keys /events",
            "fanfare sign --keys-file keys --expires soon /events",
            "fanfare sign --expires 1h /events",
            "fanfare completions dos",
            "fanfare man",
        ] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
        assert_eq!(parse("fanfare --version").expect_err("a text").exit_code(), 0);
    }

    #[test]
    fn the_schema_is_json() {
        let mut out = Vec::new();
        schema(&mut out).expect("written");
        let schema: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert!(schema["properties"]["sources"].is_object());
    }

    #[test]
    fn completions_for_every_shell() {
        use clap::ValueEnum;
        for shell in clap_complete::Shell::value_variants() {
            let mut out = Vec::new();
            completions(&CompletionsArgs { shell: *shell }, &mut out).expect("written");
            assert!(String::from_utf8(out).expect("text").contains("fanfare"));
        }
    }
}
