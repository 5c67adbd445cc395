//! Who may do what without credentials: networks that the operator trusts.

use crate::config::ConfigError;
use ipnet::IpNet;
use std::net::IpAddr;

/// A set of addresses and networks.
#[derive(Clone, Debug, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Reads addresses (`192.0.2.1`) and networks (`192.0.2.0/24`).
    ///
    /// # Errors
    /// One for each text that is neither, named `path[index]`.
    pub fn read(path: &str, texts: &[String]) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut networks = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                Ok(network) => networks.push(network),
                Err(_) => errors.push(ConfigError::new(
                    format!("{path}[{index}]"),
                    format!("'{text}' is neither an address nor a network such as 192.0.2.0/24"),
                )),
            }
        }
        if errors.is_empty() { Ok(Self(networks)) } else { Err(errors) }
    }

    /// Whether `address` is in one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<Networks, Vec<ConfigError>> {
        Networks::read("proxy.trusted", &texts.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn addresses_and_networks() {
        let networks = read(&["192.0.2.0/24", "198.51.100.7", "2001:db8::/32"]).expect("good networks");
        for (address, expected) in [
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
            ("::ffff:192.0.2.1", true),
        ] {
            assert_eq!(networks.contains(address.parse().expect(address)), expected, "{address}");
        }
        assert!(!Networks::default().contains("127.0.0.1".parse().expect("an address")));
    }

    #[test]
    fn every_mistake_is_named() {
        let errors = read(&["192.0.2.0/24", "192.0.2.0/33", "all"]).expect_err("two are bad");
        let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(paths, ["proxy.trusted[1]", "proxy.trusted[2]"]);
    }
}
