//! The configuration as JSON, and the number tables that it names.

use dialplane_core::config::{Config, ConfigError};
use dialplane_core::store::NumberTable;
use std::collections::HashMap;
use std::sync::Arc;

/// Tables by name.
pub(super) type Tables = HashMap<String, Arc<dyn NumberTable>>;

/// Reads an effective configuration.
pub(super) fn read_config(json: &[u8]) -> Result<Config, ConfigError> {
    serde_json::from_slice(json).map_err(|error| ConfigError::new("", error.to_string()))
}

/// Maps the compiled tables. The supervisor has compiled each CSV before a worker hears of it.
pub(super) fn open_tables(config: &Config) -> Result<Tables, Vec<ConfigError>> {
    let mut tables = Tables::new();
    let mut errors = Vec::new();
    for (index, table) in config.table.iter().enumerate() {
        match dialplane_store::NumberFile::open(std::path::Path::new(&table.file)) {
            Ok(file) => {
                tables.insert(table.name.clone(), Arc::new(file));
            }
            Err(error) => {
                errors.push(ConfigError::new(format!("table[{index}].file"), format!("{}: {error}", table.file)))
            }
        }
    }
    if errors.is_empty() { Ok(tables) } else { Err(errors) }
}

/// `route[3].uri` as `route.3.uri`.
pub(super) fn dotted(path: &str) -> String {
    path.replace('[', ".").replace(']', "")
}
