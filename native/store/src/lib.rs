//! Bindings, digests, nonce counts and target health in files that all processes of a host map.
//!
//! What the engine asks for is declared in [`dialplane_core::store`]; this crate keeps it so that readers never wait, a
//! process killed at any instruction loses nothing that was answered, and nothing has to be sized. It knows no SIP.

mod access;
mod arena;
mod audit;
mod feed;
mod folder;
mod health;
mod index;
mod layout;
mod lock;
mod map;
mod nonces;
mod numbers;
mod owner;
mod page;
mod place;
mod repair;
mod scan;
mod secret;
mod shard;
mod shared;
mod slot;
mod space;
mod table;
#[cfg(test)]
mod testing;

pub use feed::{Batch, Changes};
pub use folder::{OpenError, OpenProblem};
pub use health::SharedHealth;
pub use nonces::SharedNonces;
pub use numbers::{
    CompileError, CsvError, CsvProblem, NumberFile, NumberFileError, NumberTableBuilder, NumberTableError, compile,
};
pub use page::SharedWords;
pub use scan::Cursor;
pub use secret::{SECRET_LENGTH, secret};
pub use shared::{Opened, Role, SharedStore};
pub use slot::{MAX_KEY, MAX_VALUE};
pub use space::Unusable;
pub use table::{Backlog, SharedTable};
