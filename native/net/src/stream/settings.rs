//! What the configuration says about connections, ready to be looked at.

use dialplane_core::access::Networks;
use dialplane_core::config::{Config, ConfigError, listen_address};
use dialplane_syntax::Limits;
use std::net::IpAddr;

/// See `Connections` in `config.py`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) most: usize,
    pub(crate) buffer: usize,
    pub(crate) connect_ms: u64,
    pub(crate) first_ms: u64,
    pub(crate) message_ms: u64,
    pub(crate) idle_ms: u64,
    pub(crate) balancers: Networks,
    pub(crate) limits: Limits,
    pub(crate) listeners: Vec<Bound>,
}

/// One `[[listen]]` entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// Connections are opened from this address.
    pub(crate) address: IpAddr,
    pub(crate) is_secure: bool,
}

impl Settings {
    /// Takes the configuration.
    ///
    /// # Errors
    /// Everything in it that cannot be used.
    pub fn read(config: &Config, limits: Limits) -> Result<Self, Vec<ConfigError>> {
        let connections = &config.connections;
        let balancers = Networks::read("connections.balancers", &connections.balancers)?;
        let mut listeners = Vec::new();
        for (index, entry) in config.listen.iter().enumerate() {
            let address = listen_address(&entry.address)
                .map_err(|problem| vec![ConfigError::new(format!("listen[{index}].address"), problem)])?;
            listeners.push(Bound { address: address.bind.ip(), is_secure: address.transport.is_secure() });
        }
        Ok(Self {
            most: connections.most as usize,
            buffer: connections.buffer,
            connect_ms: milliseconds(connections.connect),
            first_ms: milliseconds(connections.first),
            message_ms: milliseconds(connections.message),
            idle_ms: milliseconds(connections.idle),
            balancers,
            limits,
            listeners,
        })
    }
}

fn milliseconds(seconds: f64) -> u64 {
    // Floats are cut to what fits; config.py allows a day.
    (seconds * 1000.0) as u64
}
