//! A binding as a row of Kamailio's `location` table (version 9), for the database of record. Both ways.
//!
//! Text that is no UTF-8 is shown with replacement characters, so such a binding is not quite the same when it is
//! restored; SIP URIs and tokens are ASCII (RFC 3261 §25.1), so that concerns User-Agent and quoted parameters.

use super::record::{self, Binding, Bindings};
use super::split_aor;
use crate::path::{ConnectionId, ListenerId, Path, Transport};
use crate::store::StoreError;
use dialplane_syntax::chars::strip_quotes;
use dialplane_syntax::header::QValue;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::net::SocketAddr;

/// One binding in the columns of `location`; see Kamailio's documentation of the table for those without a comment.
/// Texts are borrowed from the record where they stand there.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the columns are named by the table")]
pub struct Row<'a> {
    /// [`record_id`] plus the place of the binding in its record.
    pub id: i64,
    /// Unique, and the same for as long as the binding lives.
    pub ruid: Cow<'a, str>,
    pub username: Cow<'a, str>,
    pub domain: Cow<'a, str>,
    pub contact: Cow<'a, str>,
    /// The other parameters of the Contact; not in Kamailio.
    pub params: Option<Cow<'a, str>>,
    /// `sip:HOST:PORT;transport=udp`.
    pub received: Option<Cow<'a, str>>,
    pub path: Option<Cow<'a, str>>,
    /// Unix second.
    pub expires: u64,
    /// -1 when the Contact has none.
    pub q: f64,
    pub callid: Cow<'a, str>,
    pub cseq: u32,
    /// Unix second.
    pub last_modified: u64,
    pub user_agent: Cow<'a, str>,
    /// `udp:HOST:PORT`.
    pub socket: Option<Cow<'a, str>>,
    /// `+sip.instance` without its quotes.
    pub instance: Option<Cow<'a, str>>,
    /// `reg-id`, 0 when there is none.
    pub reg_id: u32,
}

impl Row<'_> {
    /// The row with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Row<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Row {
            ruid: own(self.ruid),
            username: own(self.username),
            domain: own(self.domain),
            contact: own(self.contact),
            params: self.params.map(own),
            received: self.received.map(own),
            path: self.path.map(own),
            callid: own(self.callid),
            user_agent: own(self.user_agent),
            socket: self.socket.map(own),
            instance: self.instance.map(own),
            id: self.id,
            expires: self.expires,
            q: self.q,
            cseq: self.cseq,
            last_modified: self.last_modified,
            reg_id: self.reg_id,
        }
    }
}

/// `id` of the first binding of an address-of-record: 2^62 plus the first 54 bits of its SHA-256, times 256. Other
/// writers of the table count from 1.
#[must_use]
pub fn record_id(aor: &[u8]) -> i64 {
    let digest = Sha256::digest(aor);
    let first = digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
    (1_i64 << 62) + ((first >> 10) << 8) as i64
}

/// The rows of a record, in its order. `sockets` are the listeners by number, as the column `socket` names them.
///
/// # Errors
/// [`StoreError::Corrupt`] for a record that cannot be read.
pub fn from_record<'a>(
    aor: &'a [u8],
    record: &'a [u8],
    sockets: &'a [String],
) -> Result<impl Iterator<Item = Row<'a>>, StoreError> {
    let bindings = Bindings::read(record)?;
    let id = record_id(aor);
    Ok((0..).zip(bindings).map(move |(place, stored)| from_binding(id + place, aor, stored.binding, sockets)))
}

/// Appends the record of these rows, which are all of one address-of-record. Appends nothing when there is no row.
///
/// Rows that Kamailio wrote have no `params`; these follow from `instance` and `reg_id`.
///
/// # Errors
/// [`StoreError::TooLarge`] when a binding does not fit.
pub fn to_record(rows: &[Row<'_>], sockets: &[String], out: &mut Vec<u8>) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    record::begin(out);
    for row in rows {
        let params = params(row);
        let binding = Binding {
            contact: row.contact.as_bytes(),
            params: params.as_bytes(),
            q: thousandths(row.q),
            expires: row.expires,
            // The table does not have it.
            registered: row.last_modified,
            modified: row.last_modified,
            call_id: row.callid.as_bytes(),
            cseq: row.cseq,
            path: row.path.as_deref().unwrap_or_default().as_bytes(),
            received: row.received.as_deref().and_then(|uri| received(uri, row.socket.as_deref(), sockets)),
            user_agent: row.user_agent.as_bytes(),
        };
        binding.write(out)?;
    }
    Ok(())
}

/// The row of one binding of `aor`. See [`from_record`].
#[must_use]
pub fn from_binding<'a>(id: i64, aor: &'a [u8], binding: Binding<'a>, sockets: &'a [String]) -> Row<'a> {
    let (username, domain) = split_aor(aor);
    let (instance, reg_id) = flow(binding.params);
    Row {
        id,
        ruid: ruid(aor, &binding, instance.is_some() && reg_id > 0).into(),
        username: text(username),
        domain: text(domain),
        contact: text(binding.contact),
        params: some(binding.params),
        received: binding.received.map(|path| format!("sip:{};transport={}", path.peer, name(path.transport)).into()),
        path: some(binding.path),
        expires: binding.expires,
        q: binding.q.map_or(-1.0, |q| f64::from(q.thousandths()) / 1000.0),
        callid: text(binding.call_id),
        cseq: binding.cseq,
        last_modified: binding.modified,
        user_agent: text(binding.user_agent),
        socket: binding.received.and_then(|path| Some(sockets.get(usize::from(path.listener.0))?.into())),
        instance: instance.map(text),
        reg_id,
    }
}

/// What stays the same while a binding is refreshed: its instance and reg-id, or its Contact URI (see
/// [`super::contact`]).
fn ruid(aor: &[u8], binding: &Binding<'_>, has_flow: bool) -> String {
    let end = if has_flow { flow_end(binding.params) } else { 0 };
    let identity = if has_flow { &binding.params[..end] } else { binding.contact };
    let digest = Sha256::new().chain_update(aor).chain_update([0]).chain_update(identity).finalize();
    let mut text = String::with_capacity(27);
    text.push_str("dp-");
    for octet in &digest[..12] {
        for digit in [octet >> 4, octet & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text
}

const INSTANCE: &[u8] = b";+sip.instance=";
const REG_ID: &[u8] = b";reg-id=";

/// Instance and reg-id, which stand in front of the parameters that we keep.
fn flow(params: &[u8]) -> (Option<&[u8]>, u32) {
    let Some(rest) = params.strip_prefix(INSTANCE) else { return (None, 0) };
    let (instance, rest) = rest.split_at(value_end(rest));
    let digits = rest.strip_prefix(REG_ID).unwrap_or_default();
    let digits = &digits[..digits.iter().take_while(|digit| digit.is_ascii_digit()).count()];
    let reg_id = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    (Some(strip_quotes(instance)), reg_id)
}

fn flow_end(params: &[u8]) -> usize {
    let instance = INSTANCE.len().min(params.len());
    let behind = instance + value_end(&params[instance..]);
    let reg_id = (behind + REG_ID.len()).min(params.len());
    reg_id + value_end(&params[reg_id..])
}

/// End of a parameter's value: the semicolon behind it, or behind its quotes.
fn value_end(value: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, &octet) in value.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => return at,
            _ => {}
        }
    }
    value.len()
}

fn params<'a>(row: &'a Row<'_>) -> Cow<'a, str> {
    match (&row.params, &row.instance) {
        (Some(params), _) => Cow::Borrowed(params),
        (None, Some(instance)) if row.reg_id > 0 => {
            format!(";+sip.instance=\"{instance}\";reg-id={}", row.reg_id).into()
        }
        (None, Some(instance)) => format!(";+sip.instance=\"{instance}\"").into(),
        (None, None) => Cow::Borrowed(""),
    }
}

/// `None` for what is no q: Kamailio writes -1 for a contact without one.
fn thousandths(q: f64) -> Option<QValue> {
    let rounded = (q * 1000.0).round();
    if (0.0..=1000.0).contains(&rounded) { QValue::from_thousandths(rounded as u16) } else { None }
}

/// Reads `sip:HOST:PORT;transport=udp`; Kamailio leaves the transport out for UDP.
fn received(uri: &str, socket: Option<&str>, sockets: &[String]) -> Option<Path> {
    let (address, params) = uri.strip_prefix("sip:")?.split_once(';').unwrap_or((uri.strip_prefix("sip:")?, ""));
    let transport = match params.strip_prefix("transport=") {
        Some(name) => TRANSPORTS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?.1,
        None => Transport::Udp,
    };
    let peer: SocketAddr = address.parse().ok()?;
    let listener = socket.and_then(|socket| sockets.iter().position(|known| known == socket)).unwrap_or(0);
    // A connection does not outlive the processes that had it.
    Some(Path { transport, listener: ListenerId(u8::try_from(listener).ok()?), connection: ConnectionId(0), peer })
}

fn name(transport: Transport) -> &'static str {
    TRANSPORTS.iter().find(|(_, known)| *known == transport).map_or("udp", |(name, _)| name)
}

const TRANSPORTS: [(&str, Transport); 5] = [
    ("udp", Transport::Udp),
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
    ("ws", Transport::Ws),
    ("wss", Transport::Wss),
];

/// Octets of a message as text for a column; what is not UTF-8 is replaced.
#[must_use]
pub fn text(octets: &[u8]) -> Cow<'_, str> {
    // Twice as fast as `from_utf8_lossy` for what is ASCII.
    std::str::from_utf8(octets).map_or_else(|_| String::from_utf8_lossy(octets), Cow::Borrowed)
}

fn some(octets: &[u8]) -> Option<Cow<'_, str>> {
    (!octets.is_empty()).then(|| text(octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AOR: &[u8] = b"alice@example.com";

    fn sockets() -> Vec<String> {
        vec!["udp:192.0.2.10:5060".to_owned(), "tcp:192.0.2.10:5060".to_owned()]
    }

    fn binding<'a>(params: &'a str, received: Option<Path>) -> Binding<'a> {
        Binding {
            contact: b"sip:alice@10.0.0.5:5060;ob",
            params: params.as_bytes(),
            q: QValue::from_thousandths(250),
            expires: 1_800_003_600,
            registered: 1_800_000_000,
            modified: 1_800_000_000,
            call_id: b"1@10.0.0.5",
            cseq: 4_294_967_295,
            path: b"<sip:p1.example.com;lr>,<sip:p2.example.com;lr>",
            received,
            user_agent: b"Softphone/1.0",
        }
    }

    fn record(bindings: &[Binding<'_>]) -> Vec<u8> {
        let mut record = Vec::new();
        record::begin(&mut record);
        for binding in bindings {
            binding.write(&mut record).expect("it fits");
        }
        record
    }

    #[test]
    fn columns() {
        let path = Path {
            transport: Transport::Tcp,
            listener: ListenerId(1),
            connection: ConnectionId(0),
            peer: "198.51.100.7:1024".parse().expect("an address"),
        };
        let binding = binding(";+sip.instance=\"<urn:uuid:1;x>\";reg-id=7;audio", Some(path));
        let record = record(&[binding, binding]);
        let sockets = sockets();
        let rows: Vec<_> = from_record(AOR, &record, &sockets).expect("rows").collect();
        assert_eq!(rows[0].id, record_id(AOR));
        assert_eq!(rows[1].id, record_id(AOR) + 1);
        let row = Row { ruid: "".into(), id: 0, ..rows[0].clone() };
        assert_eq!(
            row,
            Row {
                id: 0,
                ruid: "".into(),
                username: "alice".into(),
                domain: "example.com".into(),
                contact: "sip:alice@10.0.0.5:5060;ob".into(),
                params: Some(";+sip.instance=\"<urn:uuid:1;x>\";reg-id=7;audio".into()),
                received: Some("sip:198.51.100.7:1024;transport=tcp".into()),
                path: Some("<sip:p1.example.com;lr>,<sip:p2.example.com;lr>".into()),
                expires: 1_800_003_600,
                q: 0.25,
                callid: "1@10.0.0.5".into(),
                cseq: 4_294_967_295,
                last_modified: 1_800_000_000,
                user_agent: "Softphone/1.0".into(),
                socket: Some("tcp:192.0.2.10:5060".into()),
                instance: Some("<urn:uuid:1;x>".into()),
                reg_id: 7,
            }
        );
        let mut back = Vec::new();
        to_record(&rows, &sockets, &mut back).expect("it fits");
        assert_eq!(back, record);
    }

    #[test]
    fn identities() {
        let ruid = |aor: &[u8], binding: &Binding<'_>| {
            let record = record(&[*binding]);
            from_record(aor, &record, &[]).expect("rows").next().expect("a row").ruid.into_owned()
        };
        let first = binding(";audio", None);
        let flow = binding(";+sip.instance=\"<urn:x>\";reg-id=1;audio", None);
        let same = |a: &Binding<'_>, b: &Binding<'_>| ruid(AOR, a) == ruid(AOR, b);
        assert!(same(&first, &Binding { expires: 5, cseq: 1, params: b";video", ..first }), "refreshed");
        assert!(!same(&first, &Binding { contact: b"sip:b@h", ..first }), "another contact");
        assert!(same(&flow, &Binding { contact: b"sip:b@h", ..flow }), "another contact of the same flow");
        assert!(!same(&flow, &Binding { params: b";+sip.instance=\"<urn:x>\";reg-id=2;audio", ..flow }));
        assert_ne!(ruid(AOR, &first), ruid(b"bob@example.com", &first));
        assert_eq!(ruid(AOR, &first).len(), 27);
    }

    #[test]
    fn ids_stay_apart_from_those_of_others() {
        // sha256("alice@example.com") begins with ff8d9819fc0e12bf.
        assert_eq!(record_id(AOR), (1 << 62) + ((0xff8d_9819_fc0e_12bf_u64 >> 10) << 8) as i64);
        assert!(record_id(AOR).checked_add(255).is_some());
    }

    #[test]
    fn rows_of_kamailio() {
        let row = Row {
            id: 1,
            ruid: "uloc-1".into(),
            username: "alice".into(),
            domain: "example.com".into(),
            contact: "sip:alice@10.0.0.5".into(),
            params: None,
            received: Some("sip:198.51.100.7:1024".into()),
            path: None,
            expires: 9,
            q: -1.0,
            callid: "a".into(),
            cseq: 1,
            last_modified: 8,
            user_agent: "".into(),
            socket: Some("udp:203.0.113.1:5060".into()),
            instance: Some("<urn:uuid:1>".into()),
            reg_id: 2,
        };
        let mut out = Vec::new();
        to_record(std::slice::from_ref(&row), &sockets(), &mut out).expect("it fits");
        let read = Bindings::read(&out).expect("a record").next().expect("a binding");
        assert_eq!(read.binding.params, b";+sip.instance=\"<urn:uuid:1>\";reg-id=2");
        assert_eq!((read.binding.q, read.binding.registered), (None, 8));
        let path = read.binding.received.expect("a path");
        assert_eq!(
            (path.transport, path.listener, path.peer),
            (Transport::Udp, ListenerId(0), "198.51.100.7:1024".parse().expect("good"))
        );
        for (received, reg_id, params) in [
            (None, 0, ";+sip.instance=\"<urn:uuid:1>\""),
            (Some("sip:name:5060"), 0, ";+sip.instance=\"<urn:uuid:1>\""),
        ] {
            let mut out = Vec::new();
            let row = Row { received: received.map(Cow::Borrowed), reg_id, ..row.clone() };
            to_record(&[row], &sockets(), &mut out).expect("it fits");
            let read = Bindings::read(&out).expect("a record").next().expect("a binding");
            assert_eq!((read.binding.received, read.binding.params), (None, params.as_bytes()));
        }
        let mut none = Vec::new();
        to_record(&[], &[], &mut none).expect("nothing");
        assert!(none.is_empty());
    }

    proptest! {
        #[test]
        fn rows_make_the_same_record(
            contact in "[ -~]{0,40}", params in "(;[a-z]{1,5}(=\"?[ -~&&[^\"]]{0,9})?){0,3}", path in "[ -~]{0,40}",
            call_id in "[ -~]{1,20}", user_agent in "\\PC{0,20}", q in prop::option::of(0..=1000_u16),
            times: [u32; 2], cseq: u32, peer: Option<SocketAddr>, transport in 0..5_usize, listener in 0..2_u8,
        ) {
            let received = peer.map(|peer| Path {
                transport: TRANSPORTS[transport].1,
                listener: ListenerId(listener),
                connection: ConnectionId(0),
                peer: SocketAddr::new(peer.ip(), peer.port()),
            });
            let binding = Binding {
                contact: contact.as_bytes(), params: params.as_bytes(), path: path.as_bytes(),
                call_id: call_id.as_bytes(), user_agent: user_agent.as_bytes(), q: q.and_then(QValue::from_thousandths), expires: times[0].into(),
                registered: times[1].into(), modified: times[1].into(), cseq, received,
            };
            let record = record(&[binding]);
            let sockets = sockets();
            let rows: Vec<_> = from_record(AOR, &record, &sockets).expect("good").map(Row::into_owned).collect();
            let mut back = Vec::new();
            to_record(&rows, &sockets, &mut back).expect("good");
            prop_assert_eq!(back, record);
        }
    }
}
