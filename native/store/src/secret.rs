//! The secret of one data folder: made once, shared by all processes, never changed, as everything that we sign with it
//! (branches, nonces, route tokens) has to be recognised after a restart.

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Octets of the secret.
pub const SECRET_LENGTH: usize = 64;

/// Reads the secret at `path`; makes it when there is none. Whoever makes it first, all read the same.
///
/// # Errors
/// What the system says; [`io::ErrorKind::InvalidData`] when the file is not as long as a secret.
pub fn secret(path: &Path) -> io::Result<[u8; SECRET_LENGTH]> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    // Written under a name of our own and then linked: nobody ever sees half a secret, and only the first link holds.
    let mut name = [0; 8];
    getrandom::fill(&mut name)?;
    let unnamed = path.with_extension(format!("{:016x}", u64::from_le_bytes(name)));
    let linked = write(&unnamed).and_then(|()| match rustix::fs::linkat(CWD, &unnamed, CWD, path, AtFlags::empty()) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    });
    let _ = fs::remove_file(&unnamed);
    linked?;
    read(path)
}

fn write(path: &Path) -> io::Result<()> {
    let mut secret = [0; SECRET_LENGTH];
    getrandom::fill(&mut secret)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(&secret)?;
    file.sync_all()
}

fn read(path: &Path) -> io::Result<[u8; SECRET_LENGTH]> {
    let octets = fs::read(path)?;
    octets
        .try_into()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a secret of ours: remove it to get a new one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn made_once_and_readable_by_the_owner_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secret");
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || secret(&path).expect("there is room"))
            })
            .collect();
        let first = secret(&path).expect("there is room");
        for thread in threads {
            assert_eq!(thread.join().expect("no thread fails"), first);
        }
        assert_ne!(first, [0; SECRET_LENGTH]);
        assert_eq!(fs::metadata(&path).expect("exists").mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    fn something_else_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secret");
        fs::write(&path, b"short").expect("there is room");
        assert_eq!(secret(&path).expect_err("too short").kind(), io::ErrorKind::InvalidData);
        assert_eq!(fs::read(&path).expect("readable"), b"short");
    }
}
