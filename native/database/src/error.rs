//! What may go wrong.

use dialplane_core::store::StoreError;
use std::fmt;

/// Either side of the mirror.
#[derive(Debug)]
pub enum Error {
    /// The shared store.
    Store(StoreError),
    /// SQLite, in its own words.
    Sqlite(rusqlite::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{error:?}"),
            Self::Sqlite(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}
