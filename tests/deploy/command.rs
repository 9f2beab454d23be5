//! Programs that check something and end.

use std::process::{Command, Output};

/// Runs it; it has to succeed. What it wrote to standard output.
pub fn succeeds(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?}:\n{}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs it, however it ends.
pub fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// All that a program wrote.
pub fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]]
        .map(String::from_utf8_lossy)
        .concat()
}

/// The program that is tested.
pub fn fanfare() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fanfare"))
}
