//! Values of conditions and changes as the configuration writes them, each read with its mistakes in words.

use crate::routing::index::HostKey;
use crate::routing::number::Number;
use crate::routing::prefix::PrefixTable;
use crate::routing::problems::did_you_mean;
use dialplane_syntax::uri::unescaped;
use dialplane_syntax::{HeaderId, Host, Method, NameAddr};
use ipnet::IpNet;
use regex::bytes::Regex;
use std::net::IpAddr;

/// Longest user part that can be compared.
const LONGEST_USER: usize = 255;

/// A method name. Any token is one (RFC 3261 §7.1).
pub(super) fn method(text: &str) -> Result<Box<[u8]>, String> {
    let known = || Method::ALL.iter().map(|method| method.name());
    if text.is_empty() || !text.bytes().all(is_token) {
        return Err(format!("{text:?} is not a method{}", did_you_mean(text, known())));
    }
    if let Some(right) = known().find(|name| *name != text && name.eq_ignore_ascii_case(text)) {
        return Err(format!("methods are case-sensitive; did you mean {right:?}?"));
    }
    if matches!(text, "ACK" | "CANCEL") {
        return Err(format!("{text} goes the way of its INVITE (RFC 3261 §16.11): name INVITE instead"));
    }
    Ok(text.as_bytes().into())
}

/// A host: a name or an address.
pub(super) fn host(text: &str) -> Result<HostKey, String> {
    match (text.parse::<IpAddr>(), Host::parse(text.as_bytes())) {
        (Ok(address), _) => Ok(HostKey::Address(address)),
        (_, Some(host)) => Ok(HostKey::new(host)),
        _ => Err(format!("{text:?} is not a host: a name or an address, without scheme and port")),
    }
}

/// A user part. Escapes are undone, as they are in requests.
pub(super) fn user(text: &str) -> Result<Box<[u8]>, String> {
    if text.is_empty() || text.len() > LONGEST_USER || text.contains('@') || text.chars().any(char::is_control) {
        return Err(format!("{text:?} is not a user part: 1 to {LONGEST_USER} characters before the @"));
    }
    Ok(unescaped(text.as_bytes()).collect())
}

/// The front of a telephone number; `+` alone stands for all global numbers.
pub(super) fn prefix(text: &str) -> Result<Number, String> {
    Number::read_prefix(text).ok_or_else(|| {
        format!("{text:?} is not the front of a number: 1 to {} of a leading +, digits, * and #", PrefixTable::LONGEST)
    })
}

/// An address or a network.
pub(super) fn source(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => match text.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => return Err(format!("{text:?} is neither an address nor a network such as 192.0.2.0/24")),
        },
    };
    if network != network.trunc() {
        return Err(format!("{text:?} is an address within a network; did you mean \"{}\"?", network.trunc()));
    }
    match network {
        IpNet::V6(v6) if v6.network().to_ipv4_mapped().is_some() => {
            Err(format!("{text:?}: IPv4 addresses are written as such"))
        }
        _ => Ok(network),
    }
}

/// A regular expression on the request URI.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    if text.is_empty() {
        return Err("an empty expression matches every URI: leave it out".to_owned());
    }
    Regex::new(text).map_err(|error| {
        let error = error.to_string();
        let last = error.lines().last().unwrap_or_default();
        format!("{text:?} is not a regular expression: {}", last.trim_start_matches("error: "))
    })
}

/// Text for a user part; may be empty. RFC 3261 §25.1 `user = 1*( unreserved / escaped / user-unreserved )`.
pub(super) fn user_text(text: &str) -> Result<(), String> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&octet);
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        let escape = octet == b'%' && (0..2).all(|_| octets.next().is_some_and(|octet| octet.is_ascii_hexdigit()));
        if !escape && !plain(octet) {
            return Err(format!("{text:?} cannot stand in a user part; write other characters as %HEXHEX"));
        }
    }
    Ok(())
}

/// A value of a Contact header field (RFC 3261 §20.10), or a URI alone, which is put in angle brackets so that its
/// parameters stay its own.
pub(super) fn contact(text: &str) -> Result<Box<[u8]>, String> {
    let bad = |problem: &dyn std::fmt::Display| format!("{text:?} is not a contact: {problem}");
    if text.chars().any(char::is_control) {
        return Err(bad(&"it holds control characters"));
    }
    let value = if text.contains('<') { text.to_owned() } else { format!("<{text}>") };
    let contact = NameAddr::parse(value.as_bytes(), 0, HeaderId::CONTACT).map_err(|error| bad(&error))?;
    contact.parsed_uri().map_err(|error| bad(&error))?;
    Ok(value.into_bytes().into())
}

/// RFC 3261 §25.1 `token`.
fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet)
}
