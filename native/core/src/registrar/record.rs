//! The record of one address-of-record: its bindings, in octets. RFC 3261 §10.3, RFC 3327 §5.3, RFC 5626 §6.
//!
//! The shared store holds a million of these, so a binding costs at most 38 octets beside its texts (50 with an IPv6
//! peer), and reading one copies nothing. Every integer is big-endian; a text has its length in front (7 bits per
//! octet, the last octet below 128).
//!
//! ```text
//! record  = version(1) *binding
//! binding = len(2) flags(1) expires(4) registered(4) modified(4) cseq(4)
//!           [q(2)] [transport(1) listener(1) port(2) address(4 or 16)] [connection(8)]
//!           contact params call-id path user-agent
//! ```

use crate::path::{ConnectionId, ListenerId, Path, Transport};
use crate::store::StoreError;
use dialplane_syntax::header::QValue;
use std::net::{IpAddr, SocketAddr};

/// Most octets of a User-Agent that are kept; more is cut.
pub const USER_AGENT_MAX: usize = 255;

/// One binding: a view when it was read, a value when it is to be written. Texts are octets of the REGISTER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// Contact URI, without angle brackets.
    pub contact: &'a [u8],
    /// The other parameters of the Contact as they came, with their semicolons and without `q` and `expires`.
    pub params: &'a [u8],
    /// Preference. RFC 3261 §20.10.
    pub q: Option<QValue>,
    /// Unix second at which the binding ends.
    pub expires: u64,
    /// Unix second at which it was made.
    pub registered: u64,
    /// Unix second of its last refresh.
    pub modified: u64,
    /// Call-ID of the last REGISTER.
    pub call_id: &'a [u8],
    /// CSeq number of the last REGISTER.
    pub cseq: u32,
    /// Path elements, joined by commas; empty when there is none. RFC 3327.
    pub path: &'a [u8],
    /// The way by which the REGISTER came, when requests must go back on it rather than to the Contact.
    pub received: Option<Path>,
    /// User-Agent of the last REGISTER, at most [`USER_AGENT_MAX`] octets.
    pub user_agent: &'a [u8],
}

impl Binding<'_> {
    /// Appends the binding to a record that was begun with [`begin`].
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] when its texts need more than 65,535 octets; the record is then as before.
    pub fn write(&self, record: &mut Vec<u8>) -> Result<(), StoreError> {
        let start = record.len();
        let ip = self.received.map(|path| path.peer.ip());
        let connection = self.received.map_or(0, |path| path.connection.0);
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(self.q.is_some(), HAS_Q)
            | flag(ip.is_some_and(|ip| ip.is_ipv4()), HAS_IPV4)
            | flag(ip.is_some_and(|ip| ip.is_ipv6()), HAS_IPV6)
            | flag(connection != 0, HAS_CONNECTION);
        let mut head = [0; HEAD_LEN];
        head[2] = flags;
        head[3..7].copy_from_slice(&second(self.expires));
        head[7..11].copy_from_slice(&second(self.registered));
        head[11..15].copy_from_slice(&second(self.modified));
        head[15..19].copy_from_slice(&self.cseq.to_be_bytes());
        record.extend_from_slice(&head);
        if let Some(q) = self.q {
            record.extend_from_slice(&q.thousandths().to_be_bytes());
        }
        if let Some(path) = self.received {
            record.extend_from_slice(&[path.transport as u8, path.listener.0]);
            record.extend_from_slice(&path.peer.port().to_be_bytes());
            match path.peer.ip() {
                IpAddr::V4(v4) => record.extend_from_slice(&v4.octets()),
                IpAddr::V6(v6) => record.extend_from_slice(&v6.octets()),
            }
            if connection != 0 {
                record.extend_from_slice(&connection.to_be_bytes());
            }
        }
        let user_agent = &self.user_agent[..self.user_agent.len().min(USER_AGENT_MAX)];
        for text in [self.contact, self.params, self.call_id, self.path, user_agent] {
            push_text(text, record);
        }
        let Ok(len) = u16::try_from(record.len() - start - LEN_LEN) else {
            record.truncate(start);
            return Err(StoreError::TooLarge);
        };
        record[start..start + LEN_LEN].copy_from_slice(&len.to_be_bytes());
        Ok(())
    }
}

/// Begins a record without bindings.
pub fn begin(record: &mut Vec<u8>) {
    record.push(VERSION);
}

/// Whether a record that was begun has no binding yet.
#[must_use]
pub fn is_empty(record: &[u8]) -> bool {
    record.len() <= 1
}

/// The bindings of a record, oldest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bindings<'a> {
    rest: &'a [u8],
}

impl<'a> Bindings<'a> {
    /// Reads a record. An empty value is a record without bindings.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is not what [`Binding::write`] writes.
    pub fn read(record: &'a [u8]) -> Result<Self, StoreError> {
        let whole = match record {
            [] => record,
            [VERSION, rest @ ..] => rest,
            _ => return Err(StoreError::Corrupt),
        };
        let mut rest = whole;
        while !rest.is_empty() {
            (_, rest) = decode(rest).ok_or(StoreError::Corrupt)?;
        }
        Ok(Self { rest: whole })
    }

    /// The bindings of a record up to the first that cannot be read, for those who would begin anew anyway. Reads each
    /// once.
    #[must_use]
    pub fn readable(record: &'a [u8]) -> Self {
        match record {
            [VERSION, rest @ ..] => Self { rest },
            _ => Self::default(),
        }
    }
}

impl<'a> Iterator for Bindings<'a> {
    type Item = Stored<'a>;

    fn next(&mut self) -> Option<Stored<'a>> {
        let (stored, rest) = decode(self.rest)?;
        self.rest = rest;
        Some(stored)
    }
}

/// A binding in its record.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// What the record says.
    pub binding: Binding<'a>,
    octets: &'a [u8],
}

impl Stored<'_> {
    /// Appends the binding, unchanged, to another record.
    pub fn copy(&self, record: &mut Vec<u8>) {
        record.extend_from_slice(self.octets);
    }
}

fn decode(octets: &[u8]) -> Option<(Stored<'_>, &[u8])> {
    let (len, _) = octets.split_first_chunk::<LEN_LEN>()?;
    let (octets, behind) = octets.split_at_checked(LEN_LEN + usize::from(u16::from_be_bytes(*len)))?;
    let mut rest = Reader(octets.get(LEN_LEN..)?);
    let flags = rest.octets::<1>()?[0];
    if flags & !(HAS_Q | HAS_IPV4 | HAS_IPV6 | HAS_CONNECTION) != 0 {
        return None;
    }
    let expires = rest.number()?;
    let registered = rest.number()?;
    let modified = rest.number()?;
    let cseq = rest.number()?;
    let q = if flags & HAS_Q == 0 { None } else { Some(QValue::from_thousandths(u16::from_be_bytes(rest.octets()?))?) };
    let received = match flags & (HAS_IPV4 | HAS_IPV6) {
        0 if flags & HAS_CONNECTION == 0 => None,
        HAS_IPV4 => Some(rest.path::<4>(flags)?),
        HAS_IPV6 => Some(rest.path::<16>(flags)?),
        _ => return None,
    };
    let [contact, params, call_id, path, user_agent] =
        [rest.text()?, rest.text()?, rest.text()?, rest.text()?, rest.text()?];
    if !rest.0.is_empty() {
        return None;
    }
    let binding = Binding {
        contact,
        params,
        q,
        expires: expires.into(),
        registered: registered.into(),
        modified: modified.into(),
        call_id,
        cseq,
        path,
        received,
        user_agent,
    };
    Some((Stored { binding, octets }, behind))
}

/// What is left of a binding.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn octets<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (octets, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*octets)
    }

    fn number(&mut self) -> Option<u32> {
        self.octets().map(u32::from_be_bytes)
    }

    fn path<const N: usize>(&mut self, flags: u8) -> Option<Path>
    where
        IpAddr: From<[u8; N]>,
    {
        let [transport, listener] = self.octets()?;
        let port = u16::from_be_bytes(self.octets()?);
        let address = IpAddr::from(self.octets::<N>()?);
        let connection = if flags & HAS_CONNECTION == 0 { 0 } else { u64::from_be_bytes(self.octets()?) };
        Some(Path {
            transport: *TRANSPORTS.get(usize::from(transport))?,
            listener: ListenerId(listener),
            connection: ConnectionId(connection),
            peer: SocketAddr::new(address, port),
        })
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let mut len = 0;
        // Three octets hold 21 bits, more than a binding's own length.
        for place in 0..3 {
            let [octet] = self.octets()?;
            len |= usize::from(octet & 0x7f) << (7 * place);
            if octet & 0x80 == 0 {
                let (text, rest) = self.0.split_at_checked(len)?;
                self.0 = rest;
                return Some(text);
            }
        }
        None
    }
}

fn push_text(text: &[u8], record: &mut Vec<u8>) {
    let mut len = text.len();
    while len >= 0x80 {
        record.push(len as u8 | 0x80);
        len >>= 7;
    }
    record.push(len as u8);
    record.extend_from_slice(text);
}

/// A second as it is stored: 32 bits, enough until 2106.
fn second(unix: u64) -> [u8; 4] {
    u32::try_from(unix).unwrap_or(u32::MAX).to_be_bytes()
}

const VERSION: u8 = 1;
const LEN_LEN: usize = 2;
const HEAD_LEN: usize = LEN_LEN + 1 + 4 * 4;
const HAS_Q: u8 = 1;
const HAS_IPV4: u8 = 2;
const HAS_IPV6: u8 = 4;
const HAS_CONNECTION: u8 = 8;
/// By the number that stands for each in a record.
const TRANSPORTS: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(max: usize) -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..=max)
    }

    #[derive(Clone, Debug)]
    struct Owned {
        texts: [Vec<u8>; 5],
        q: Option<QValue>,
        seconds: [u32; 3],
        cseq: u32,
        received: Option<Path>,
    }

    impl Owned {
        fn binding(&self) -> Binding<'_> {
            let [contact, params, call_id, path, user_agent] = &self.texts;
            let [expires, registered, modified] = self.seconds.map(u64::from);
            let (q, cseq, received) = (self.q, self.cseq, self.received);
            Binding { contact, params, q, expires, registered, modified, call_id, cseq, path, received, user_agent }
        }
    }

    fn path() -> impl Strategy<Value = Path> {
        (0..5_usize, any::<u8>(), any::<u64>(), any::<IpAddr>(), any::<u16>()).prop_map(
            |(transport, listener, connection, ip, port)| Path {
                transport: TRANSPORTS[transport],
                listener: ListenerId(listener),
                connection: ConnectionId(connection),
                peer: SocketAddr::new(ip, port),
            },
        )
    }

    fn owned() -> impl Strategy<Value = Owned> {
        let texts = [text(300), text(300), text(60), text(300), text(USER_AGENT_MAX)];
        let q = prop::option::of(
            (0..=1000_u16).prop_map(|thousandths| QValue::from_thousandths(thousandths).expect("at most 1000")),
        );
        (texts, q, any::<[u32; 3]>(), any::<u32>(), prop::option::of(path()))
            .prop_map(|(texts, q, seconds, cseq, received)| Owned { texts, q, seconds, cseq, received })
    }

    proptest! {
        #[test]
        fn bindings_survive(bindings in prop::collection::vec(owned(), 0..5)) {
            let mut record = Vec::new();
            begin(&mut record);
            for binding in &bindings {
                binding.binding().write(&mut record).expect("it fits");
            }
            let read: Vec<_> = Bindings::read(&record).expect("a record").map(|stored| stored.binding).collect();
            let expected: Vec<_> = bindings.iter().map(Owned::binding).collect();
            prop_assert_eq!(read, expected);
            let mut copied = Vec::new();
            begin(&mut copied);
            Bindings::read(&record).expect("a record").for_each(|stored| stored.copy(&mut copied));
            prop_assert_eq!(&copied, &record);
            prop_assert_eq!(is_empty(&record), bindings.is_empty());
        }

        #[test]
        fn a_cut_record_is_corrupt(binding in owned(), cut: prop::sample::Index) {
            let mut record = Vec::new();
            begin(&mut record);
            binding.binding().write(&mut record).expect("it fits");
            let cut = 2 + cut.index(record.len() - 2);
            prop_assert_eq!(Bindings::read(&record[..cut]).err(), Some(StoreError::Corrupt));
        }

        #[test]
        fn any_octets_are_read_or_refused(mut octets: Vec<u8>) {
            if let Some(first) = octets.first_mut() {
                *first = VERSION;
            }
            if let Ok(bindings) = Bindings::read(&octets) {
                prop_assert_eq!(bindings.count() > 0, octets.len() > 1);
            }
        }
    }

    #[test]
    fn overhead() {
        let binding = Binding {
            contact: &[b'c'; 60],
            params: &[b'p'; 100],
            q: QValue::from_thousandths(500),
            expires: 1_800_003_600,
            registered: 1_800_000_000,
            modified: 1_800_000_000,
            call_id: &[b'i'; 40],
            cseq: 1,
            path: &[b'r'; 70],
            received: Some(Path {
                transport: Transport::Udp,
                listener: ListenerId(0),
                connection: ConnectionId(0),
                peer: SocketAddr::from(([192, 0, 2, 1], 5060)),
            }),
            user_agent: &[b'u'; 30],
        };
        let mut record = Vec::new();
        begin(&mut record);
        binding.write(&mut record).expect("it fits");
        let texts = 60 + 100 + 40 + 70 + 30;
        assert!(record.len() - 1 - texts <= 38, "{} octets", record.len() - texts);
    }

    #[test]
    fn what_does_not_fit() {
        let empty = Owned { texts: Default::default(), q: None, seconds: [0; 3], cseq: 0, received: None };
        let long = Owned { texts: [vec![b'x'; 70_000], vec![], vec![], vec![], vec![b'u'; 300]], ..empty };
        let mut record = vec![VERSION];
        assert_eq!(long.binding().write(&mut record), Err(StoreError::TooLarge));
        assert_eq!(record, [VERSION]);
        let binding = Binding { contact: b"", expires: u64::MAX, ..long.binding() };
        binding.write(&mut record).expect("it fits");
        let read = Bindings::read(&record).expect("a record").next().expect("a binding").binding;
        assert_eq!((read.user_agent.len(), read.expires), (USER_AGENT_MAX, u32::MAX.into()));
    }

    #[test]
    fn another_version_is_corrupt() {
        assert_eq!(Bindings::read(&[VERSION + 1]).err(), Some(StoreError::Corrupt));
        assert_eq!(Bindings::read(&[]).expect("a record").count(), 0);
    }
}
