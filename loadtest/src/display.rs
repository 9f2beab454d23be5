//! What is shown while a trial runs: a bar and a live line on a terminal, plain lines elsewhere.
//! All of it on stderr.

use crate::driver::outcome::Sample;
use crate::units::thousands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::{Cell, RefCell};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// Steps of the bar.
const STEPS: u64 = 1000;

/// Where the run stands, for people.
#[derive(Debug)]
pub(crate) struct Display {
    bar: Option<ProgressBar>,
    trial: RefCell<String>,
    last_plain: Cell<Option<Instant>>,
    quiet: bool,
}

impl Display {
    /// On a terminal a bar, else plain lines; `quiet`: nothing.
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{prefix:.bold} {bar:24.cyan/dim} {wide_msg}")
                .expect("the template is valid")
                .progress_chars("━╸─");
            ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr()).with_style(style)
        });
        Self {
            bar,
            trial: RefCell::new(String::new()),
            last_plain: Cell::new(None),
            quiet,
        }
    }

    /// A new trial, or a new phase of it.
    pub(crate) fn phase(&self, trial: &str, what: &str) {
        trial.clone_into(&mut self.trial.borrow_mut());
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(trial.to_owned());
                bar.set_position(0);
                bar.set_message(what.to_owned());
            }
            None => {
                self.last_plain.set(Some(Instant::now()));
                self.plain(&format!("{trial}: {what}"));
            }
        }
    }

    /// The latest sample.
    pub(crate) fn live(&self, what: &str, sample: &Sample, elapsed: Duration, of: Duration) {
        let mut text = format!(
            "{what} · {} live · {} deliveries/s",
            thousands(sample.live),
            thousands(sample.deliveries_per_s as u64),
        );
        if let Some([mean, highest]) = sample.latency_ms {
            text.push_str(&format!(" · {mean:.1} ms, at most {highest:.1}"));
        }
        if let (Some(cpu), Some(rss)) = (sample.server_cpu, sample.rss_mib) {
            text.push_str(&format!(" · server {:.0}% of a core, {rss:.0} MiB", cpu * 100.0));
        }
        match &self.bar {
            Some(bar) => {
                bar.set_position((STEPS as f64 * elapsed.as_secs_f64() / of.as_secs_f64().max(1e-3)) as u64);
                bar.set_message(text);
            }
            None => {
                if self.last_plain.get().is_none_or(|last| last.elapsed() >= PLAIN_EVERY) {
                    self.last_plain.set(Some(Instant::now()));
                    self.plain(&format!("{}: {text}", self.trial.borrow()));
                }
            }
        }
    }

    /// Makes room for the report.
    pub(crate) fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn plain(&self, text: &str) {
        if !self.quiet {
            // A closed stderr does not stop the run.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}
