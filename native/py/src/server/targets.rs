//! Targets of all sets as an operator sees them, and the word by which he drains one.

use super::config::read_config;
use super::value_error;
use dialplane_core::config::ConfigError;
use dialplane_core::routing::target::{DRAINED, Standing, TargetId, identity_of, sets};
use dialplane_core::store::{Store as _, TargetHealth as _};
use dialplane_net::clock;
use dialplane_store::SharedStore;
use pyo3::prelude::*;
use serde_json::{Value, json};

/// One JSON object for each target, in file order.
pub(super) fn list(store: &SharedStore, config_json: &[u8]) -> PyResult<Value> {
    let config = read_config(config_json).map_err(|error| problem(&error))?;
    let sets = sets(&config).map_err(|errors| value_error(errors.first().map_or_else(String::new, words)))?;
    let (now, health) = (clock::now().unix_ms, store.health());
    let mut rows = Vec::new();
    for set in &sets {
        for (place, target) in set.targets().iter().enumerate() {
            let Some(report) = set.report(TargetId(place as u16), now, health) else { continue };
            let until = match report.standing {
                Standing::Ejected(until_ms) => Some(until_ms as f64 / 1000.0),
                Standing::Down | Standing::Drained | Standing::Up => None,
            };
            rows.push(json!({
                "set": set.name(),
                "uri": String::from_utf8_lossy(&target.uri),
                "state": report.standing.name(),
                "until": until,
                "priority": target.priority,
                "weight": target.weight,
                "calls": report.calls,
                "latency": report.latency_ms.map(|ms| ms / 1000.0),
            }));
        }
    }
    Ok(Value::Array(rows))
}

/// Lets the target with this URI get no new calls, or again.
pub(super) fn drain(store: &SharedStore, uri: &str, on: bool) -> PyResult<()> {
    let identity = identity_of(uri).map_err(value_error)?;
    store.health().update(identity.0, |state| if on { state | DRAINED } else { state & !DRAINED });
    Ok(())
}

#[cold]
fn problem(error: &ConfigError) -> PyErr {
    value_error(words(error))
}

fn words(error: &ConfigError) -> String {
    format!("{}: {}", error.path, error.problem)
}
