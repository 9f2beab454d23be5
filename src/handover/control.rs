//! The control socket: where a process that hands over is found.
//!
//! It stands in a directory that only its user may enter, is that user's alone, and answers only
//! that user (and root). The listening socket itself is handed over, so that its file is never
//! missing and never stale while the program runs.

use super::link::Link;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Connections that wait to be accepted: the command line, and another process.
const BACKLOG: i32 = 16;
/// Who may do what with the socket, and with its directory.
const SOCKET_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another process has it.
    #[error(
        "a running process answers at {0}: `fanfare serve --takeover` takes over from it, `fanfare upgrade` makes it hand over"
    )]
    Live(PathBuf),
    /// Others could reach it.
    #[error("{directory}: has to be a directory of this user with mode 0700: {found}")]
    NotPrivate {
        /// The directory of the socket.
        directory: PathBuf,
        /// What it is.
        found: String,
    },
    /// There is something else under its name.
    #[error("{0}: is there, and no socket")]
    NoSocket(PathBuf),
    /// The system refused.
    #[error("{path}: {error}")]
    System {
        /// The socket, or its directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A listening control socket. Dropping it removes its file, unless it was handed over.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    is_handed_over: AtomicBool,
}

impl ControlSocket {
    /// Binds it; a file that a process which is gone has left is replaced.
    pub fn bind(path: &Path) -> Result<Self, ControlError> {
        let failed = |error| ControlError::System {
            path: path.to_owned(),
            error,
        };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        // Held to the end: of two that start at the same moment one finds the other.
        let lock = private(directory)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(found) if !found.file_type().is_socket() => return Err(ControlError::NoSocket(path.to_owned())),
            Ok(_) if UnixStream::connect(path).is_ok() => return Err(ControlError::Live(path.to_owned())),
            Ok(_) => std::fs::remove_file(path).map_err(failed)?,
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        // The directory lets nobody else in, also before this.
        std::fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self::of(listener, path))
    }

    /// One that is another process's, until it is [`taken_over`](Self::taken_over).
    pub fn inherit(descriptor: OwnedFd, path: &Path) -> io::Result<Self> {
        let listener = UnixListener::from(descriptor);
        listener.set_nonblocking(true)?;
        let socket = Self::of(listener, path);
        socket.handed_over();
        Ok(socket)
    }

    fn of(listener: UnixListener, path: &Path) -> Self {
        Self {
            listener,
            path: path.to_owned(),
            is_handed_over: AtomicBool::new(false),
        }
    }

    /// It is this process's: those who connect from now on see this process behind it.
    pub fn taken_over(&self) -> io::Result<()> {
        self.is_handed_over.store(false, Ordering::Release);
        Ok(rustix::net::listen(&self.listener, BACKLOG)?)
    }

    /// Its path, as configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A connection that waits. `WouldBlock`: there is none. One of another user is dropped, as
    /// [`io::ErrorKind::PermissionDenied`].
    pub fn accept(&self) -> io::Result<Link> {
        let (stream, _) = self.listener.accept()?;
        stream.set_nonblocking(false)?;
        let link = Link::new(stream);
        match link.is_trusted() {
            true => Ok(link),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    /// Removes its file, unless it was handed over: no other process finds this one any more.
    pub fn remove(&self) {
        if !self.is_handed_over.swap(true, Ordering::AcqRel) {
            // It may have been removed by hand.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Another process has it from now on: its file stays.
    pub fn handed_over(&self) {
        self.is_handed_over.store(true, Ordering::Release);
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl AsRawFd for ControlSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.listener.as_raw_fd()
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The directory, if nobody else may enter it.
fn private(directory: &Path) -> Result<OwnedFd, ControlError> {
    let failed = |error: io::Error| ControlError::System {
        path: directory.to_owned(),
        error,
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = open(directory, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let found = std::fs::metadata(directory).map_err(failed)?;
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    match owner == rustix::process::geteuid().as_raw() && mode & 0o777 == DIRECTORY_MODE {
        true => Ok(opened),
        false => Err(ControlError::NotPrivate {
            directory: directory.to_owned(),
            found: format!("its owner is user {owner}, its mode {mode:04o}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(directory.path(), Permissions::from_mode(DIRECTORY_MODE)).expect("a mode");
        directory
    }

    #[test]
    fn it_is_its_user_s_alone_and_goes_with_its_process() {
        let directory = directory();
        let path = directory.path().join("handover.sock");
        let socket = ControlSocket::bind(&path).expect("bound");
        assert_eq!(path.metadata().expect("a file").mode() & 0o777, SOCKET_MODE);
        assert!(matches!(ControlSocket::bind(&path), Err(ControlError::Live(_))));
        assert!(socket.accept().expect("the look of before").is_trusted());
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_one_is_replaced_and_a_file_is_not() {
        let directory = directory();
        let path = directory.path().join("handover.sock");
        drop(UnixListener::bind(&path).expect("bound"));
        let socket = ControlSocket::bind(&path).expect("bound");
        socket.handed_over();
        drop(socket);
        assert!(path.exists(), "it is another process's");
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, "a file").expect("written");
        assert!(matches!(ControlSocket::bind(&path), Err(ControlError::NoSocket(_))));
        std::fs::remove_file(&path).expect("removed");
        symlink(directory.path().join("elsewhere"), &path).expect("a link");
        assert!(matches!(ControlSocket::bind(&path), Err(ControlError::NoSocket(_))));
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused() {
        let directory = directory();
        let path = directory.path().join("handover.sock");
        for mode in [0o755, 0o770, 0o701, 0o600] {
            std::fs::set_permissions(directory.path(), Permissions::from_mode(mode)).expect("a mode");
            assert!(ControlSocket::bind(&path).is_err(), "{mode:o}");
        }
        std::fs::set_permissions(directory.path(), Permissions::from_mode(DIRECTORY_MODE)).expect("a mode");
        let told = ControlSocket::bind(&directory.path().join("none/handover.sock"));
        assert!(matches!(told, Err(ControlError::System { .. })));
    }

    #[test]
    fn one_that_was_handed_over_answers_as_its_new_process() {
        let directory = directory();
        let path = directory.path().join("handover.sock");
        let socket = ControlSocket::bind(&path).expect("bound");
        let descriptor = socket.as_fd().try_clone_to_owned().expect("a descriptor");
        let inherited = ControlSocket::inherit(descriptor, &path).expect("a listening socket");
        drop(inherited);
        assert!(path.exists(), "it is the other's");
        let descriptor = socket.as_fd().try_clone_to_owned().expect("a descriptor");
        let inherited = ControlSocket::inherit(descriptor, &path).expect("a listening socket");
        socket.handed_over();
        drop(socket);
        inherited.taken_over().expect("a listening socket");
        let link = Link::connect(&path).expect("connected");
        let ours = rustix::process::getpid();
        assert_eq!(link.peer().expect("a peer"), ours);
        assert_eq!(inherited.accept().expect("a connection").peer().expect("a peer"), ours);
        drop(inherited);
        assert!(!path.exists());
    }
}
