//! A client program that tells what it dispatched, a line of JSON each.

use crate::support::client::Event;
use crate::support::origin::PATIENCE;
use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// A browser on a busy machine takes longer to start than anything takes once it runs.
pub const START: std::time::Duration = PATIENCE.saturating_mul(3);

/// A running client; it ends with its standard input, when it is dropped.
pub struct Foreign {
    lines: Lines<BufReader<ChildStdout>>,
    /// All that it has told so far.
    pub said: Vec<Value>,
    _stdin: ChildStdin,
    _child: Child,
}

impl Foreign {
    /// Starts the program and waits for the first that it tells.
    pub async fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut foreign = Self {
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            said: Vec::new(),
            _stdin: child.stdin.take().unwrap(),
            _child: child,
        };
        let first = timeout(START, foreign.lines.next_line()).await;
        foreign.took(first.expect("the program to start"));
        foreign
    }

    /// The next that it tells, whenever that is.
    pub async fn says(&mut self) -> Value {
        let line = self.lines.next_line().await;
        self.took(line)
    }

    fn took(&mut self, line: std::io::Result<Option<String>>) -> Value {
        let line = line
            .unwrap()
            .unwrap_or_else(|| panic!("it ended after {:#?}", self.tail()));
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.said.push(said.clone());
        said
    }

    fn tail(&self) -> &[Value] {
        &self.said[self.said.len().saturating_sub(5)..]
    }

    /// The next of a kind, whatever comes before it.
    pub async fn until(&mut self, kind: &str) -> Value {
        let wanted = async {
            loop {
                let said = self.says().await;
                if said["kind"] == kind {
                    return said;
                }
            }
        };
        // It may go on about other things for ever.
        if let Ok(said) = timeout(PATIENCE, wanted).await {
            return said;
        }
        panic!("waited {PATIENCE:?} in vain for {kind}: {:#?}", self.tail());
    }

    /// Until its stream is open: what is published from here on is for it.
    pub async fn opened(&mut self) {
        if self.count("open") == 0 {
            self.until("open").await;
        }
    }

    /// How often it has told so.
    pub fn count(&self, kind: &str) -> usize {
        self.said.iter().filter(|said| said["kind"] == kind).count()
    }

    /// The next event that it dispatched.
    pub async fn next_event(&mut self) -> Event {
        event(&self.until("event").await)
    }

    /// The events up to the one with this data.
    pub async fn until_data(&mut self, data: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Event| event.data != data) {
            events.push(self.next_event().await);
        }
        events
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        let events = self.said.iter().filter(|said| said["kind"] == "event");
        events.map(event).collect()
    }
}

fn event(said: &Value) -> Event {
    let text = |key: &str| said[key].as_str().unwrap().to_owned();
    Event {
        event_type: text("type"),
        data: text("data"),
        id: text("id").into_bytes(),
    }
}
