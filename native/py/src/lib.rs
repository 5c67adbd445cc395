//! The Python extension module `dialplane_native._native`: convert, check, forward; no SIP logic.
//!
//! | module | Python |
//! |---|---|
//! | [`parse`], [`message`], [`header`], [`edit`], [`build`] | `parse`, `Message`, `Header`, `Editor`, `Request`, `Response`, `Framer` |
//! | [`uri`], [`name_addr`], [`via`], [`cseq`] | the typed values, frozen |
//! | [`essentials`] | what every message has, in one object |
//! | [`capture`] | `parse_many`, `count`: captures and buffers of frames |
//! | [`error`] | from the Rust enums to the exception tree of `dialplane_native.errors` |
//! | [`server`] | what the processes of the dialplane server call |
//! | [`transactions`] | the machines of RFC 3261 §17, for a user agent |
//! | [`piece`], [`pool`], [`text`], [`params`], [`value`] | octets shared with Python, indexes, text, `dict`s |

mod build;
mod capture;
mod cseq;
mod edit;
mod error;
mod essentials;
mod header;
mod message;
mod name_addr;
mod params;
mod parse;
mod piece;
mod pool;
mod server;
mod text;
mod transactions;
mod uri;
mod value;
mod via;

/// Declared here and nowhere else.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::build::{PyRequest, PyResponse};
    #[pymodule_export]
    use crate::capture::batch::{PyBatch, PyBatches, parse_many};
    #[pymodule_export]
    use crate::capture::count::{PyStatistics, count};
    #[pymodule_export]
    use crate::capture::packet::PyPacket;
    #[pymodule_export]
    use crate::cseq::PyCSeq;
    #[pymodule_export]
    use crate::edit::PyEditor;
    #[pymodule_export]
    use crate::error::list_errors;
    #[pymodule_export]
    use crate::essentials::PyEssentials;
    #[pymodule_export]
    use crate::header::PyHeader;
    #[pymodule_export]
    use crate::message::PyMessage;
    #[pymodule_export]
    use crate::name_addr::PyNameAddr;
    #[pymodule_export]
    use crate::parse::{_restore, PyFramer, PyLimits, PyRejection, essentials, parse, validate_message};
    #[pymodule_export]
    use crate::uri::PyUri;
    #[pymodule_export]
    use crate::via::PyVia;
    use pyo3::prelude::*;
    use pyo3::types::PyCapsule;

    /// What the processes of the dialplane server call.
    #[pymodule]
    mod server {
        #[pymodule_export]
        use crate::server::database::PyConnection;
        #[pymodule_export]
        use crate::server::explain::explain;
        #[pymodule_export]
        use crate::server::steering::PySteering;
        #[pymodule_export]
        use crate::server::store::{PyStore, record_id_of};
        #[pymodule_export]
        use crate::server::table::compile_table;
        #[pymodule_export]
        use crate::server::worker::run_worker;
        #[pymodule_export]
        use crate::server::{check, config_fields, counter_names, counters};
        use pyo3::prelude::*;

        #[pymodule_init]
        fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
            module.add("DatabaseError", crate::error::database_error_class(module.py()))?;
            module.add("StoreError", crate::error::store_error_class(module.py()))
        }
    }

    /// The machines of RFC 3261 §17, for a user agent.
    #[pymodule(name = "transactions")]
    mod machines {
        #[pymodule_export]
        use crate::transactions::PyTransactions;
        #[pymodule_export]
        use crate::transactions::action::{PyFailure, PyIncoming, PyReply, PySend};
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // For Cython and C, by `dp_import` of dialplane_python.h: the place of the table, which stays when the capsule is gone.
        let table: &'static dialplane::api::Api = &dialplane::api::API;
        let name = c"dialplane_native._native._C_API";
        module.setattr("_C_API", PyCapsule::new_with_value(module.py(), table, name)?)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
