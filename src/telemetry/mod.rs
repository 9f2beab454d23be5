//! Logs: what is written to standard error, in which form.
//!
//! Set up once, by the binary, before anything else runs; the library only emits. One line per
//! change of state, values as fields, never a secret. What is written can't block or end the
//! process (`output`).

mod output;

use crate::timestamp::Timestamp;
use output::Output;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The filter where none is given.
pub const DEFAULT_FILTER: &str = "info";

/// How long the end of the process waits for its last lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Standard error is the process's, and so is what writes to it. `None`: the thread could not be
/// started.
static OUTPUT: OnceLock<Option<Output>> = OnceLock::new();

/// The form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The logs can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error("not a log filter: {0} (such as `info`, or `warn,fanfare::upstream=debug`)")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// No thread for the output.
    #[error("the log's thread can't be started")]
    Thread,
    /// Another subscriber is in place.
    #[error(transparent)]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Writes this process's logs to standard error from now on, panics among them.
pub fn init(filter: &str, format: LogFormat) -> Result<(), LogError> {
    let output = output().ok_or(LogError::Thread)?;
    // https://no-color.org: set and not empty.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    subscriber(filter, format, colours, output.clone())?.try_init()?;
    std::panic::set_hook(Box::new(move |info| log_panic(format, info)));
    Ok(())
}

/// Says why the process ends, whatever the filter is.
pub fn fatal(format: LogFormat, message: &str) {
    let Some(output) = output() else { return };
    output.push(fatal_line(format, message).as_bytes());
}

/// Waits until all lines are written, or for a second. To be called last.
pub fn flush() {
    if let Some(Some(output)) = OUTPUT.get() {
        output.flush(FLUSH_TIMEOUT);
    }
}

/// Log lines that were not written, since the process started.
pub(crate) fn dropped_lines() -> u64 {
    OUTPUT.get().and_then(Option::as_ref).map_or(0, Output::dropped)
}

fn output() -> Option<&'static Output> {
    OUTPUT.get_or_init(|| Output::start(std::io::stderr()).ok()).as_ref()
}

fn fatal_line(format: LogFormat, message: &str) -> String {
    match format {
        LogFormat::Text => format!("fanfare: {message}\n"),
        LogFormat::Json => {
            let timestamp = Timestamp(SystemTime::now());
            let line = serde_json::json!({
                "timestamp": timestamp, "level": "ERROR", "message": message, "target": "fanfare",
            });
            format!("{line}\n")
        }
    }
}

/// The standard library's hook writes to standard error itself, and waits for its reader.
fn log_panic(format: LogFormat, info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let mut message = format!("thread `{}`: {info}", thread.name().unwrap_or("?"));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        message += &format!("\n{backtrace}");
    }
    fatal(format, &message);
    if thread.name() == Some("main") {
        flush();
    }
}

/// Whether this is a filter; for checking it before anything starts.
pub fn check_filter(filter: &str) -> Result<(), LogError> {
    EnvFilter::builder().parse(filter)?;
    Ok(())
}

fn subscriber<W>(
    filter: &str,
    format: LogFormat,
    colours: bool,
    writer: W,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        // It would write them to standard error itself.
        .log_internal_errors(false);
    Ok(match format {
        LogFormat::Text => Box::new(builder.with_ansi(colours).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: LogFormat) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = subscriber(filter, format, false, move || writer.clone()).expect("a filter");
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(source = "changelog", "upstream connected");
            tracing::debug!("quiet");
        });
        let bytes = buffer.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn text_lines() {
        let line = logged("info", LogFormat::Text);
        assert!(line.ends_with("upstream connected source=\"changelog\"\n"), "{line}");
        assert_eq!(line.lines().count(), 1);
        assert_eq!(logged("off", LogFormat::Text), "");
    }

    #[test]
    fn json_lines() {
        let line = logged("debug", LogFormat::Json);
        let first: serde_json::Value = serde_json::from_str(line.lines().next().expect("a line")).expect("JSON");
        assert_eq!(first["message"], "upstream connected");
        assert_eq!(first["source"], "changelog");
        assert_eq!(line.lines().count(), 2);
    }

    #[test]
    fn fatal_errors_have_the_form_of_the_logs() {
        assert_eq!(fatal_line(LogFormat::Text, "no file"), "fanfare: no file\n");
        let line = fatal_line(LogFormat::Json, "no \"file\"\nat all");
        assert_eq!(line.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["message"], "no \"file\"\nat all");
        assert_eq!((&line["level"], line["timestamp"].is_string()), (&"ERROR".into(), true));
    }

    #[test]
    fn filters_are_checked() {
        assert!(check_filter("warn,fanfare::upstream=debug").is_ok());
        assert!(check_filter("fanfare=loud").is_err());
    }
}
