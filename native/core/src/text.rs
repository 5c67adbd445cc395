//! Small texts that we put into messages: numbers and keyed values in characters that every token may hold.

use std::net::{IpAddr, SocketAddr};

const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// Characters of a 64-bit value, see [`push_base32`].
pub(crate) const WORD: usize = 13;

/// Appends the low `5 * characters` bits of `value`, most significant first; at most [`WORD`] characters.
pub(crate) fn push_base32(value: u64, characters: usize, out: &mut Vec<u8>) {
    let mut text = [0; WORD];
    let mut rest = value;
    for character in text.iter_mut().rev() {
        *character = DIGITS[(rest & 31) as usize];
        rest >>= 5;
    }
    out.extend_from_slice(&text[WORD.saturating_sub(characters)..]);
}

/// Reads what [`push_base32`] wrote; `None` for any other character or a value above 64 bits.
pub(crate) fn read_base32(text: &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    for &character in text {
        let digit = match character {
            b'0'..=b'9' => character - b'0',
            b'a'..=b'v' => character - b'a' + 10,
            _ => return None,
        };
        if value >> 59 != 0 {
            return None;
        }
        value = value << 5 | u64::from(digit);
    }
    Some(value)
}

/// Appends a decimal number.
pub(crate) fn push_decimal(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// Appends an address as it stands in a Via parameter: IPv6 without brackets (RFC 3261 §25.1 `via-received`).
pub(crate) fn push_ip(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(v4) => {
            for (place, octet) in v4.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                push_decimal(octet.into(), out);
            }
        }
        // Never on the path of a datagram that has an IPv4 peer, so the formatter's cost does not matter.
        IpAddr::V6(v6) => out.extend_from_slice(v6.to_string().as_bytes()),
    }
}

/// Appends `host:port` as it stands in a URI or sent-by: IPv6 in brackets.
pub(crate) fn push_host_port(address: SocketAddr, out: &mut Vec<u8>) {
    match address.ip() {
        IpAddr::V4(_) => push_ip(address.ip(), out),
        IpAddr::V6(_) => {
            out.push(b'[');
            push_ip(address.ip(), out);
            out.push(b']');
        }
    }
    out.push(b':');
    push_decimal(address.port().into(), out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_survive(value: u64) {
            let mut text = Vec::new();
            push_base32(value, WORD, &mut text);
            prop_assert_eq!(text.len(), WORD);
            prop_assert_eq!(read_base32(&text), Some(value));
        }

        #[test]
        fn decimals_and_addresses_are_those_of_the_formatter(value: u64, v4: [u8; 4], v6: [u8; 16], port: u16) {
            let mut text = Vec::new();
            push_decimal(value, &mut text);
            prop_assert_eq!(text, value.to_string().into_bytes());
            for ip in [IpAddr::from(v4), IpAddr::from(v6)] {
                let mut text = Vec::new();
                push_host_port(SocketAddr::new(ip, port), &mut text);
                prop_assert_eq!(text, SocketAddr::new(ip, port).to_string().into_bytes());
            }
        }
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        assert_eq!(read_base32(b"W"), None);
        assert_eq!(read_base32(b"vvvvvvvvvvvvvv"), None, "more than 64 bits");
    }
}
