//! Who connects to the control socket is answered, each on a thread of its own.

use super::giving::give;
use crate::handover::{ControlSocket, Hello, Kind, Link, LinkError};
use crate::relay::in_force::InForce;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::Semaphore;

/// Connections that are answered at one time; others wait.
const AT_ONE_TIME: usize = 8;
/// How long one that connects may take to say what it wants.
const HELLO_MAX: Duration = Duration::from_secs(2);
/// Pause after an error that does not concern one connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers those who connect, until it is dropped or the relay is gone.
pub(in crate::relay) async fn answer(control: AsyncFd<Arc<ControlSocket>>, in_force: Weak<InForce>) {
    let places = Arc::new(Semaphore::new(AT_ONE_TIME));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let link = match next(&control).await {
            Ok(link) => link,
            Err(error) => {
                tracing::warn!(%error, "a connection to the control socket was not taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let in_force = in_force.clone();
        let thread = std::thread::Builder::new().name("handover".to_owned());
        let answering = thread.spawn(move || {
            let _place = place;
            if let Some(in_force) = in_force.upgrade()
                && let Err(error) = serve(link, &in_force)
            {
                tracing::debug!(%error, "a connection to the control socket has ended");
            }
        });
        if let Err(error) = answering {
            tracing::error!(%error, "no thread for a hand-over");
        }
    }
}

/// The next connection of one that may ask.
async fn next(control: &AsyncFd<Arc<ControlSocket>>) -> io::Result<Link> {
    loop {
        let mut ready = control.readable().await?;
        match ready.try_io(|control| control.get_ref().accept()) {
            Ok(accepted) => return accepted,
            Err(_would_block) => {}
        }
    }
}

/// Does what one that connects asks for.
fn serve(link: Link, in_force: &InForce) -> Result<(), LinkError> {
    link.set_patience(Some(HELLO_MAX))?;
    let frame = link.receive()?;
    let hello = Hello::of(&frame)?;
    match frame.kind {
        Kind::Ask => link.send(Kind::Told, &in_force.hand_over.told()),
        Kind::TakeOver => {
            give(link, &hello, in_force);
            Ok(())
        }
        found => Err(LinkError::Unexpected {
            found,
            expected: "a hello",
        }),
    }
}
