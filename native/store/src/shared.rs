//! All shared state of one data folder, as one process has it open.

use crate::folder::{self, OpenError, OpenProblem, Ownership};
use crate::health::SharedHealth;
use crate::nonces::SharedNonces;
use crate::page::SharedWords;
use crate::place::Boot;
use crate::secret::{SECRET_LENGTH, secret};
use crate::space::Unusable;
use crate::table::SharedTable;
use dialplane_core::calls::{self, CallTable};
use dialplane_core::guard::{SourceTable, WORDS};
use dialplane_core::store::Store;
use std::path::{Path, PathBuf};

/// What a process does with the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Owns it: makes what is missing, gives up what cannot be trusted, closes it clean. One per folder, and the first.
    Supervisor,
    /// Uses what the supervisor has opened.
    Member,
}

/// What the supervisor found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The store as it was left; not a record of it was looked at.
    Existing,
    /// An empty one, and why: the database has to be read back.
    Discarded(Unusable),
}

/// The tables, nonces and health of one data folder.
///
/// Open it after `fork`, never before: a child that inherits it would be taken for its parent by the locks. It can be
/// used by several threads.
#[derive(Debug)]
pub struct SharedStore {
    bindings: SharedTable,
    credentials: SharedTable,
    nonces: SharedNonces,
    health: SharedHealth,
    sources: SourceTable<SharedWords>,
    calls: CallTable<SharedWords>,
    secret: [u8; SECRET_LENGTH],
    opened: Opened,
    _ownership: Option<Ownership>,
}

impl SharedStore {
    /// Opens the store in `folder`.
    ///
    /// Each table takes 16 GiB of addresses (no memory; less where `ulimit -v` says so), and as much of disk and page cache
    /// as it has records. The supervisor also makes the folder, and the secret of the server.
    ///
    /// # Errors
    /// [`OpenError`]: another server owns the folder, no server has been started, or what the system says.
    pub fn open(folder: &Path, role: Role) -> Result<Self, OpenError> {
        match role {
            Role::Supervisor => Self::open_or_create(folder),
            Role::Member => Self::open_existing(folder),
        }
    }

    fn open_or_create(folder: &Path) -> Result<Self, OpenError> {
        folder::prepare(folder)?;
        let ownership = Ownership::take(&folder.join("lock"))?;
        let boot = current_boot()?;
        let table = |name| {
            let path: PathBuf = folder.join(name);
            SharedTable::open_or_create(&path, boot).map_err(folder::at(&path))
        };
        let (bindings, bindings_lost) = table(BINDINGS)?;
        let (credentials, credentials_lost) = table(CREDENTIALS)?;
        let nonces = folder.join(NONCES);
        let health = folder.join(HEALTH);
        let sources = folder.join(SOURCES);
        let calls = folder.join(CALLS);
        let secret_path = folder.join(SECRET);
        let words = SharedWords::open_or_create(&sources, SOURCES_KIND, WORDS).map_err(folder::at(&sources))?;
        let secret = secret(&secret_path).map_err(folder::at(&secret_path))?;
        Ok(Self {
            bindings,
            credentials,
            nonces: SharedNonces::open_or_create(&nonces).map_err(folder::at(&nonces))?,
            health: SharedHealth::open_or_create(&health).map_err(folder::at(&health))?,
            sources: SourceTable::new(words, seed(&secret)),
            calls: CallTable::new(
                SharedWords::open_or_create(&calls, CALLS_KIND, calls::WORDS).map_err(folder::at(&calls))?,
            ),
            secret,
            opened: bindings_lost.or(credentials_lost).map_or(Opened::Existing, Opened::Discarded),
            _ownership: Some(ownership),
        })
    }

    fn open_existing(folder: &Path) -> Result<Self, OpenError> {
        folder::check_proc()?;
        let boot = current_boot()?;
        let not_running = |unusable| OpenError { path: folder.to_owned(), problem: OpenProblem::NotRunning(unusable) };
        let nonces = folder.join(NONCES);
        let health = folder.join(HEALTH);
        let sources = folder.join(SOURCES);
        let calls = folder.join(CALLS);
        let secret_path = folder.join(SECRET);
        let table = |name| {
            let path = folder.join(name);
            SharedTable::open(&path, boot).map_err(folder::at(&path))?.map_err(not_running)
        };
        // First: without them no server runs, and that is what the operator has to be told.
        let (bindings, credentials) = (table(BINDINGS)?, table(CREDENTIALS)?);
        let words = SharedWords::open(&sources, SOURCES_KIND, WORDS).map_err(folder::at(&sources))?;
        let secret = secret(&secret_path).map_err(folder::at(&secret_path))?;
        Ok(Self {
            bindings,
            credentials,
            nonces: SharedNonces::open(&nonces).map_err(folder::at(&nonces))?,
            health: SharedHealth::open(&health).map_err(folder::at(&health))?,
            sources: SourceTable::new(words, seed(&secret)),
            calls: CallTable::new(SharedWords::open(&calls, CALLS_KIND, calls::WORDS).map_err(folder::at(&calls))?),
            secret,
            opened: Opened::Existing,
            _ownership: None,
        })
    }

    /// What the supervisor found; for a member always [`Opened::Existing`]. Whether the database has been read back since
    /// is told by [`SharedTable::awaits_restore`].
    #[must_use]
    pub fn opened(&self) -> Opened {
        self.opened
    }

    /// The secret of this server, for keyed hashes.
    #[must_use]
    pub fn secret(&self) -> &[u8; SECRET_LENGTH] {
        &self.secret
    }

    /// Octets of all files.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        let pages = [self.nonces.octets(), self.health.octets(), (WORDS + calls::WORDS) as u64 * 8];
        self.bindings.allocated_bytes() + self.credentials.allocated_bytes() + pages.iter().sum::<u64>()
    }

    /// Writes everything to the disk and notes that it is complete, so that it is kept over a boot. For the supervisor,
    /// when no other process uses the store any more.
    ///
    /// # Errors
    /// What the disk says; the store is then as after a crash, which costs nothing on this boot.
    pub fn close_clean(self) -> std::io::Result<()> {
        self.bindings.mark_clean()?;
        self.credentials.mark_clean()?;
        self.nonces.mark_clean()?;
        self.sources.words().mark_clean()?;
        self.calls.words().mark_clean()?;
        self.health.mark_clean()
    }
}

impl Store for SharedStore {
    type Table = SharedTable;
    type Nonces = SharedNonces;
    type Health = SharedHealth;
    type Words = SharedWords;

    fn bindings(&self) -> &SharedTable {
        &self.bindings
    }

    fn credentials(&self) -> &SharedTable {
        &self.credentials
    }

    fn nonces(&self) -> &SharedNonces {
        &self.nonces
    }

    fn health(&self) -> &SharedHealth {
        &self.health
    }

    fn sources(&self) -> &SourceTable<SharedWords> {
        &self.sources
    }

    fn calls(&self) -> &CallTable<SharedWords> {
        &self.calls
    }
}

const BINDINGS: &str = "bindings.store";
const CREDENTIALS: &str = "credentials.store";
const NONCES: &str = "nonces.store";
const HEALTH: &str = "health.store";
const SOURCES: &str = "sources.store";
const SOURCES_KIND: u64 = u64::from_le_bytes(*b"sources1");
const CALLS: &str = "calls.store";
const CALLS_KIND: u64 = u64::from_le_bytes(*b"calls  1");
const SECRET: &str = "secret";

/// Spreads sources over their table as nobody outside can foresee.
fn seed(secret: &[u8; SECRET_LENGTH]) -> u64 {
    secret.first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets)).rotate_left(17)
}

fn current_boot() -> Result<Boot, OpenError> {
    Boot::current().map_err(folder::at(Path::new("/proc/sys/kernel/random/boot_id")))
}
