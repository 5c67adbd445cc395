//! The header that a TCP load balancer puts before a connection's own octets: PROXY protocol, version 2.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, §2.2. Version 1 is text and no longer needed.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;
/// Octets of addresses and extensions, at most. HAProxy's longest, with a client certificate's names, has some 500.
const LARGEST: usize = 4096;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// More octets are needed.
    Partial,
    /// The header takes `length` octets; `source` is the client's address, `None` when the balancer speaks for itself.
    Complete {
        /// Octets of the header.
        length: usize,
        /// The client.
        source: Option<SocketAddr>,
    },
    /// Something else: nobody is to be believed, close the connection.
    Invalid,
}

/// Reads the header at the front of `octets`.
#[must_use]
pub fn read(octets: &[u8]) -> Header {
    let known = octets.len().min(SIGNATURE.len());
    if octets[..known] != SIGNATURE[..known] {
        return Header::Invalid;
    }
    let Some((fixed, rest)) = octets.split_first_chunk::<FIXED>() else { return Header::Partial };
    let [.., version_and_command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if version_and_command >> 4 != 2 || version_and_command & 0xf > 1 || length > LARGEST {
        return Header::Invalid;
    }
    let Some(addresses) = rest.get(..length) else { return Header::Partial };
    let complete = |source| Header::Complete { length: FIXED + length, source };
    if version_and_command & 0xf == 0 {
        return complete(None);
    }
    // Family above, SOCK_STREAM below.
    match family {
        0x11 => match addresses.first_chunk::<12>() {
            Some(&[a, b, c, d, _, _, _, _, high, low, _, _]) => {
                complete(Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low]))))
            }
            None => Header::Invalid,
        },
        0x21 => match addresses.split_first_chunk::<16>() {
            Some((ip, rest)) if rest.len() >= 20 => {
                let port = u16::from_be_bytes([rest[16], rest[17]]);
                complete(Some(SocketAddr::new(Ipv6Addr::from(*ip).to_canonical(), port)))
            }
            _ => Header::Invalid,
        },
        0x00 => complete(None),
        _ => Header::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, addresses].concat()
    }

    fn complete(length: usize, source: Option<&str>) -> Header {
        Header::Complete { length, source: source.map(|text| text.parse().expect(text)) }
    }

    #[test]
    fn cases() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x13, 0xc4, 0x13, 0xc5];
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[15] = 1;
        v6[32..].copy_from_slice(&[0x13, 0xc4, 0x13, 0xc5]);
        let with_extensions = [&v4[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
        for (name, octets, expected) in [
            ("IPv4", header(0x21, 0x11, &v4), complete(28, Some("192.0.2.1:5060"))),
            ("IPv6", header(0x21, 0x21, &v6), complete(52, Some("[2001:db8::1]:5060"))),
            ("extensions", header(0x21, 0x11, &with_extensions), complete(35, Some("192.0.2.1:5060"))),
            ("health check", header(0x20, 0x00, b""), complete(16, None)),
            ("health check with addresses", header(0x20, 0x11, &v4), complete(28, None)),
            ("unknown family", header(0x21, 0x00, b""), complete(16, None)),
            ("Unix socket", header(0x21, 0x31, &[0; 216]), Header::Invalid),
            ("datagram", header(0x21, 0x12, &v4), Header::Invalid),
            ("short addresses", header(0x21, 0x11, &v4[..11]), Header::Invalid),
            ("short IPv6", header(0x21, 0x21, &v6[..35]), Header::Invalid),
            ("version 1", b"PROXY TCP4 192.0.2.1 10.0.0.1 5060 5061\r\n".to_vec(), Header::Invalid),
            ("version 3", header(0x31, 0x11, &v4), Header::Invalid),
            ("command 2", header(0x22, 0x11, &v4), Header::Invalid),
            ("no header", b"OPTIONS sip:a SIP/2.0\r\n".to_vec(), Header::Invalid),
            ("endless", header(0x21, 0x11, &[0; LARGEST + 1]), Header::Invalid),
        ] {
            assert_eq!(read(&octets), expected, "{name}");
            let mut behind = octets.clone();
            behind.extend_from_slice(b"INVITE");
            assert_eq!(read(&behind), expected, "{name} with octets behind");
            if let Header::Complete { .. } = expected {
                for end in 0..octets.len() {
                    assert_eq!(read(&octets[..end]), Header::Partial, "{name} {end}");
                }
            }
        }
    }
}
