//! The SQLite file of record: bindings from the shared store without a detour, and plain SQL for whoever keeps the rest.
//!
//! One process uses one copy of SQLite for one file. Two copies (ours and the one of Python's `sqlite3`) do not know of
//! each other's locks, which belong to the process: both would write at once, and closing one would unlock the other. So
//! Python, too, reaches the file through [`Connection`].

mod bindings;
mod connection;
mod error;
mod told;

pub use bindings::Written;
pub use connection::{Connection, Outcome};
pub use error::Error;
pub use rusqlite::types::Value;
