//! The engine's side of its protocol, with answers to appends doubled and in another order.

use std::io::Result;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Answers that are kept until others have come: then they go in reverse.
const KEPT_MAX: usize = 4;

/// Passes on what the engine sends. A message is `MSG SUBJECT SID [REPLY] BYTES`, or `HMSG` with the
/// bytes of its fields before; an answer to an append is one whose payload says in which stream.
pub async fn muddle(from: &mut (impl AsyncBufRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> Result<()> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut whole = Vec::new();
        if from.read_until(b'\n', &mut whole).await? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&whole).into_owned();
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_message = matches!(words.first(), Some(&"MSG" | &"HMSG"));
        if is_message {
            let bytes: usize = words.last().unwrap().parse().unwrap();
            let head = whole.len();
            whole.resize(head + bytes + 2, 0);
            from.read_exact(&mut whole[head..]).await?;
        }
        let is_answer = words.first() == Some(&"MSG") && whole.windows(11).any(|part| part == b"{\"stream\":\"");
        if is_answer {
            kept.push(whole);
        } else {
            to.write_all(&whole).await?;
        }
        // None waits for others that do not come.
        if kept.len() == KEPT_MAX || !kept.is_empty() && from_is_empty(from).await? {
            for answer in kept.drain(..).rev() {
                to.write_all(&answer).await?;
                to.write_all(&answer).await?;
            }
        }
    }
}

/// Whether nothing more comes within a moment.
async fn from_is_empty(from: &mut (impl AsyncBufRead + Unpin)) -> Result<bool> {
    match tokio::time::timeout(std::time::Duration::from_millis(2), from.fill_buf()).await {
        Ok(filled) => Ok(filled?.is_empty()),
        Err(_) => Ok(true),
    }
}
