//! Files of the data folder: made whole or not at all, readable by their owner only, tied to the boot they are used on.

use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Identity of the running boot. What was written to mapped memory is there for whoever opens the file later on the same
/// boot, however the writer ended; over a power cut it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Boot(pub(crate) u64, pub(crate) u64);

impl Boot {
    /// Reads it from the kernel.
    ///
    /// # Errors
    /// No `/proc`.
    pub(crate) fn current() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        let part = |range| digits.get(range).and_then(|part: &str| u64::from_str_radix(part, 16).ok());
        match (part(0..16), part(16..32)) {
            (Some(high), Some(low)) => Ok(Self(high, low)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "boot_id is not a UUID")),
        }
    }
}

/// Makes a file by `write`, then gives it the name `path`, in place of what had it. What has to outlive a power cut, `write`
/// has to sync.
///
/// # Errors
/// What the system or `write` says; `path` is then as it was.
pub(crate) fn create_in_place<T>(path: &Path, write: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".new");
    let unnamed = path.with_file_name(name);
    match fs::remove_file(&unnamed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(&unnamed, flags, Mode::RUSR | Mode::WUSR)?);
    let made = write(&file).and_then(|made| fs::rename(&unnamed, path).map(|()| made));
    if made.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&unnamed);
    }
    made
}

/// Opens a file for reading and writing; it must exist.
///
/// # Errors
/// What the system says.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

/// Gives blocks on the disk to `octets` octets at the end of the file, from `from`. They read as zero.
///
/// # Errors
/// No room, or what else the system says.
pub(crate) fn allocate(file: &File, from: u64, octets: u64) -> io::Result<()> {
    loop {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), from, octets) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP) => return fill(file, from, octets),
            Err(error) => return Err(error.into()),
        }
    }
}

/// For file systems without `fallocate`: writing is what gives blocks.
fn fill(file: &File, from: u64, octets: u64) -> io::Result<()> {
    let zeros = [0; 65_536];
    let mut at = from;
    while at < from + octets {
        let part = (from + octets - at).min(zeros.len() as u64);
        file.write_all_at(&zeros[..part as usize], at)?;
        at += part;
    }
    Ok(())
}

/// Number of the file on its file system.
///
/// # Errors
/// What the system says.
pub(crate) fn inode(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.ino())
}

/// The first eight octets as a word; fewer are followed by zeros.
#[inline(always)]
pub(crate) fn word(octets: &[u8]) -> u64 {
    let mut word = [0; 8];
    let length = octets.len().min(8);
    word[..length].copy_from_slice(&octets[..length]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        create_in_place(&path, |file| file.write_all_at(b"old", 0)).expect("there is room");
        let failed: io::Result<()> = create_in_place(&path, |file| {
            file.write_all_at(b"new", 0)?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(failed.expect_err("as written").kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).expect("readable"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    fn only_the_owner_may_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        create_in_place(&path, |_| Ok(())).expect("there is room");
        assert_eq!(fs::metadata(&path).expect("exists").mode() & 0o777, 0o600);
    }

    #[test]
    fn filling_gives_zeros_and_length() {
        let file = tempfile::tempfile().expect("a temporary file");
        fill(&file, 4096, 70_000).expect("there is room");
        assert_eq!(file.metadata().expect("open").len(), 74_096);
        let mut octets = vec![1; 74_096];
        file.read_exact_at(&mut octets, 0).expect("long enough");
        assert!(octets.iter().all(|octet| *octet == 0));
    }
}
