//! The header table against the RFCs. RFC 3261 §7.3.1, §7.3.3, §20.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "tests")]

use dialplane_syntax::header::{Shape, TABLE};
use dialplane_syntax::{HeaderId, Method};

/// The headers of RFC 3261 §20.1 to §20.44 in the order of the sections, and their compact forms (§7.3.3 with the grammar of §25.1).
const RFC_3261: [(&str, Option<char>); 44] = [
    ("Accept", None),
    ("Accept-Encoding", None),
    ("Accept-Language", None),
    ("Alert-Info", None),
    ("Allow", None),
    ("Authentication-Info", None),
    ("Authorization", None),
    ("Call-ID", Some('i')),
    ("Call-Info", None),
    ("Contact", Some('m')),
    ("Content-Disposition", None),
    ("Content-Encoding", Some('e')),
    ("Content-Language", None),
    ("Content-Length", Some('l')),
    ("Content-Type", Some('c')),
    ("CSeq", None),
    ("Date", None),
    ("Error-Info", None),
    ("Expires", None),
    ("From", Some('f')),
    ("In-Reply-To", None),
    ("Max-Forwards", None),
    ("Min-Expires", None),
    ("MIME-Version", None),
    ("Organization", None),
    ("Priority", None),
    ("Proxy-Authenticate", None),
    ("Proxy-Authorization", None),
    ("Proxy-Require", None),
    ("Record-Route", None),
    ("Reply-To", None),
    ("Require", None),
    ("Retry-After", None),
    ("Route", None),
    ("Server", None),
    ("Subject", Some('s')),
    ("Supported", Some('k')),
    ("Timestamp", None),
    ("To", Some('t')),
    ("Unsupported", None),
    ("User-Agent", None),
    ("Via", Some('v')),
    ("Warning", None),
    ("WWW-Authenticate", None),
];

#[test]
fn rfc_3261_section_20_is_all_there() {
    for (number, (name, compact)) in RFC_3261.into_iter().enumerate() {
        let id = HeaderId::from_name(name.as_bytes());
        let row = id.row().unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!((row.name, row.compact.map(char::from)), (name, compact));
        assert_eq!(row.reference, format!("RFC 3261 §20.{}", number + 1), "{name}");
    }
    let of_the_rfc = TABLE.iter().filter(|row| row.reference.starts_with("RFC 3261")).count();
    assert_eq!(of_the_rfc, RFC_3261.len());
}

#[test]
fn compact_forms_of_other_rfcs() {
    // RFC 3265, RFC 3515, RFC 3841, RFC 3892, RFC 4028, RFC 4474.
    let forms = [
        ('a', "Accept-Contact"),
        ('b', "Referred-By"),
        ('d', "Request-Disposition"),
        ('j', "Reject-Contact"),
        ('n', "Identity-Info"),
        ('o', "Event"),
        ('r', "Refer-To"),
        ('u', "Allow-Events"),
        ('x', "Session-Expires"),
        ('y', "Identity"),
    ];
    for (letter, name) in forms {
        assert_eq!(HeaderId::from_name(&[letter as u8]).name(), name);
        assert_eq!(HeaderId::from_name(&[letter.to_ascii_uppercase() as u8]).name(), name);
    }
    let letters = TABLE.iter().filter(|row| row.compact.is_some()).count();
    assert_eq!(letters, forms.len() + RFC_3261.iter().filter(|(_, compact)| compact.is_some()).count());
}

#[test]
fn names_are_found_in_any_case_and_no_other_is() {
    for (number, row) in TABLE.iter().enumerate() {
        let id = HeaderId::from_name(row.name.as_bytes());
        assert_eq!(id.index(), number);
        assert_eq!(HeaderId::from_name(row.name.to_ascii_uppercase().as_bytes()), id);
        assert_eq!(HeaderId::from_name(row.name.to_ascii_lowercase().as_bytes()), id);
        for other in
            [format!("{}x", row.name), format!("x{}", row.name), row.name[1..].to_owned(), row.name.replace('-', "_")]
        {
            let found = HeaderId::from_name(other.as_bytes());
            let compact = found.row().and_then(|row| row.compact).map(|letter| char::from(letter).to_string());
            assert!(
                found == HeaderId::OTHER || found.name().eq_ignore_ascii_case(&other) || compact == Some(other.clone()),
                "{other}"
            );
        }
    }
    assert_eq!(TABLE.len() + 1, HeaderId::COUNT);
    for name in ["", "q", "Max-Forward", "Content-Lnegth", "Contact:", "\0", "ı"] {
        assert_eq!(HeaderId::from_name(name.as_bytes()), HeaderId::OTHER, "{name}");
    }
    assert_eq!(HeaderId::OTHER.name(), "");
    assert_eq!(format!("{:?} {}", HeaderId::VIA, HeaderId::OTHER), "Via header field");
}

#[test]
fn rfc_3261_section_7_3_1_what_may_be_joined_by_commas() {
    let joined = |name: &str| HeaderId::from_name(name.as_bytes()).is_list();
    for name in
        ["Via", "Contact", "Route", "Record-Route", "Require", "Supported", "Allow", "Path", "Accept", "Warning"]
    {
        assert!(joined(name), "{name}");
    }
    // The exceptions of the section, and headers with one value, one of which holds a comma.
    for name in ["WWW-Authenticate", "Authorization", "Proxy-Authenticate", "Proxy-Authorization"] {
        assert_eq!(HeaderId::from_name(name.as_bytes()).row().unwrap().shape, Shape::Lines, "{name}");
    }
    for name in
        ["From", "To", "Call-ID", "CSeq", "Date", "Max-Forwards", "Content-Length", "Expires", "Event", "Subject"]
    {
        assert_eq!(HeaderId::from_name(name.as_bytes()).row().unwrap().shape, Shape::Single, "{name}");
    }
}

#[test]
fn methods_have_their_names() {
    for method in Method::ALL {
        assert_eq!(Method::from_name(method.name().as_bytes()), *method);
        assert_eq!(Method::from_name(method.name().to_ascii_lowercase().as_bytes()), Method::Other);
        assert_eq!(method.to_string(), method.name());
    }
    assert_eq!(Method::from_name(b""), Method::Other);
    assert_eq!(Method::Other.to_string(), "other");
}

#[test]
fn names_of_methods_are_those_on_the_wire() {
    for name in ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "MESSAGE", "REFER"] {
        assert_eq!(Method::from_name(name.as_bytes()).name(), name);
    }
    assert_eq!(Method::from_name(b"invite"), Method::Other, "RFC 3261 §7.1: methods have one case");
    assert_eq!(Method::Other.name(), "");
}
