//! The data folder: who owns it, and what can be wrong with it, in words for the operator.

use crate::owner;
use crate::space::Unusable;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why the store could not be opened. Its text is one line, fit for the operator.
#[derive(Debug)]
pub struct OpenError {
    /// The file or folder in question.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: OpenProblem,
}

/// What is wrong. See [`OpenError`].
#[derive(Debug)]
pub enum OpenProblem {
    /// Another server owns the folder; its process number, if it could be read.
    InUse(Option<u32>),
    /// There is no store of a running server here.
    NotRunning(Unusable),
    /// What the system said.
    System(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            OpenProblem::InUse(Some(pid)) => write!(f, "another dialplane server (process {pid}) uses {path}"),
            OpenProblem::InUse(None) => write!(f, "another dialplane server uses {path}"),
            OpenProblem::NotRunning(Unusable::OtherVersion) => {
                write!(f, "{path} is of another version of dialplane; the server has to be started once")
            }
            OpenProblem::NotRunning(_) => {
                write!(f, "no dialplane server has run with {path} since this machine started")
            }
            OpenProblem::System(error) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => {
                write!(f, "{path}: this file system cannot share mapped files; choose another folder for server.data")
            }
            OpenProblem::System(error) if error.kind() == io::ErrorKind::StorageFull => {
                write!(f, "{path}: no room on the disk")
            }
            OpenProblem::System(error) => write!(f, "{path}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Puts the path to an error of the system.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |error| OpenError { path, problem: OpenProblem::System(error) }
}

/// Makes the folder, for its owner only, if it is not there.
///
/// # Errors
/// What the system says; also when `/proc` is not there, without which a dead process cannot be told from a living one.
pub(crate) fn prepare(folder: &Path) -> Result<(), OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))?;
    check_proc()
}

/// See [`prepare`].
pub(crate) fn check_proc() -> Result<(), OpenError> {
    owner::check().map_err(at(Path::new("/proc/thread-self/stat")))
}

/// The right to be the one server of a folder; ends with the value, or with the process.
#[derive(Debug)]
pub(crate) struct Ownership {
    _file: File,
}

impl Ownership {
    /// Takes it.
    ///
    /// # Errors
    /// [`OpenProblem::InUse`]; what the system says.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let options = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).to_owned();
        let mut file = options.open(path).map_err(at(path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // Only for the message: the owner may be about to write it.
                let _ = file.read_to_string(&mut text);
                let folder = path.parent().unwrap_or(path).to_owned();
                return Err(OpenError { path: folder, problem: OpenProblem::InUse(text.trim().parse().ok()) });
            }
            Err(error) => return Err(at(path)(error.into())),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(at(path))?;
        Ok(Self { _file: file })
    }
}
