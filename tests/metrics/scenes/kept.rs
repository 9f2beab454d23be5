//! A log that is kept on disk: its series are there from the start.

use crate::moves::Moves;
use crate::support::origin::TestOrigin;
use crate::support::relay::Setup;

pub(crate) async fn play(moves: &mut Moves) {
    let (dir, origin) = (tempfile::tempdir().unwrap(), TestOrigin::start().await);
    let setup = Setup::over(&origin).source(&format!("log: {{ dir: {} }}", dir.path().display()));
    let (relay, _conn) = setup.start_with(&origin).await;
    let mut scrapes = moves.of(relay.admin).await;
    let errors = scrapes.look_at("fanfare_log_dir_errors_total{source=\"s\"}").await;
    assert_eq!(errors, 0.0);
}
