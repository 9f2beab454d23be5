//! `man`: manual pages, out of the same definitions as `--help`. For packages.

use super::Cli;
use clap::CommandFactory;
use std::io;
use std::path::{Path, PathBuf};

/// What belongs to a manual page and not to `--help`.
const AFTERWORD: &str = r#".SH FILES
.TP
\fI/etc/fanfare/fanfare.yaml\fR
The configuration, where neither \fB\-\-config\fR nor \fBFANFARE_CONFIG\fR names one and there is no
\fIfanfare.yaml\fR in the working directory. \fBfanfare schema\fR writes its JSON Schema.
.SH ENVIRONMENT
.TP
\fBFANFARE_CONFIG\fR
The configuration file.
.TP
\fBFANFARE_LOG\fR, \fBRUST_LOG\fR, \fBFANFARE_LOG_FORMAT\fR
The log's filter and form, as \fB\-\-log\fR and \fB\-\-log\-format\fR.
.TP
\fBNOTIFY_SOCKET\fR, \fBWATCHDOG_USEC\fR
Set by systemd: it is told when the relay listens, that its threads are alive, and when it leaves.
.TP
\fBLISTEN_FDS\fR, \fBLISTEN_PID\fR
Set by systemd for a socket unit: each socket is used for what the file has at its address.
.SH SIGNALS
.TP
\fBSIGTERM\fR, \fBSIGINT\fR
Drain: readiness goes, then all streams end between two events, spread over \fBdrain.spread\fR. A second one, after a
second or later, cuts what is left.
.TP
\fBSIGHUP\fR
Read the configuration again. One with mistakes is refused, and the one before stays in force.
.TP
\fBSIGUSR2\fR
Hand over to the program at the path of this one, as \fBfanfare upgrade\fR asks for, which also waits. Needs
\fBhandover\fR in the configuration.
.SH EXIT STATUS
0: done, or drained. 1: failed. 2: usage or configuration.
"#;

/// `man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// The directory, which has to be there
    #[arg(value_name = "DIRECTORY")]
    pub directory: PathBuf,
}

/// Writes `fanfare.1` and a page for each command.
pub fn man(args: &ManArgs) -> io::Result<()> {
    // What stands below `--help` has a section of its own here.
    let program = Cli::command().disable_help_subcommand(true).after_help("");
    let name = program.get_name().to_owned();
    let commands: Vec<_> = program
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .cloned()
        .collect();
    for command in commands {
        let page = format!("{name}-{}", command.get_name());
        let command = command.bin_name(page.replace('-', " ")).display_name(page.clone());
        write(&args.directory, &page, command, "")?;
    }
    write(&args.directory, &name, program, AFTERWORD)
}

fn write(directory: &Path, page: &str, command: clap::Command, afterword: &str) -> io::Result<()> {
    let mut text = Vec::new();
    let source = concat!("fanfare ", env!("CARGO_PKG_VERSION"));
    let page_of = clap_mangen::Man::new(command).manual("fanfare").source(source);
    page_of.render(&mut text)?;
    text.extend_from_slice(afterword.as_bytes());
    std::fs::write(directory.join(format!("{page}.1")), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        let args = ManArgs {
            directory: directory.path().to_owned(),
        };
        man(&args).unwrap();
        let page = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        assert!(page("fanfare.1").contains("SIGTERM"));
        assert!(page("fanfare-serve.1").contains("upstream"));
        for command in Cli::command()
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            assert!(!page(&format!("fanfare-{}.1", command.get_name())).is_empty());
        }
        assert!(!directory.path().join("fanfare-man.1").exists());
    }
}
