//! The Python extension module `dialplane_native._native`: convert, check, forward; no logic.

/// Declared here and nowhere else; each part adds its own submodule or exports.
#[pyo3::pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
