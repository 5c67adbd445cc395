//! URIs. RFC 3261 §19.1, RFC 3966, RFC 5118.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "tests")]

#[macro_use]
mod common;

use common::show;
use dialplane_syntax::uri::host::{sent_by_matches, write_address, write_host};
use dialplane_syntax::uri::{equal, unescape, write_aor, write_digits, write_escaped_user};
use dialplane_syntax::{Host, SipUri, Uri, UriError};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn sip(text: &str) -> SipUri<'_> {
    match Uri::parse(text.as_bytes()) {
        Ok(Uri::Sip(uri)) => uri,
        other => panic!("{text}: {other:?}"),
    }
}

/// The parts of a URI put together again.
fn parts(text: &str, user: Option<&str>, password: Option<&str>, hostport: &str, params: &str, headers: &str) {
    let uri = sip(text);
    let bytes = |part: Option<&str>| part.map(|part| show(part.as_bytes()));
    assert_eq!((uri.user.map(show), uri.password.map(show)), (bytes(user), bytes(password)), "{text}");
    assert_eq!(
        (show(uri.hostport()), show(uri.params.raw()), show(uri.headers)),
        (show(hostport.as_bytes()), show(params.as_bytes()), show(headers.as_bytes())),
        "{text}"
    );
    assert_eq!(uri.secure, text.to_ascii_lowercase().starts_with("sips:"));
    // The same with octets behind it that a scanner may load: nothing may come of them.
    let longer = format!("{text} @;?:.-=%41");
    assert_eq!(Uri::parse(&longer.as_bytes()[..text.len()]), Ok(Uri::Sip(uri)));
}

cases! { parts:
    user_and_host("sip:bob@biloxi.com", Some("bob"), None, "biloxi.com", "", "");
    host_only("sip:biloxi.com", None, None, "biloxi.com", "", "");
    the_shortest("sip:b", None, None, "b", "", "");
    port("sip:bob@biloxi.com:5061", Some("bob"), None, "biloxi.com:5061", "", "");
    port_without_user("sip:biloxi.com:5061", None, None, "biloxi.com:5061", "", "");
    port_and_params_without_user("sip:biloxi.com:5061;transport=tcp", None, None, "biloxi.com:5061", ";transport=tcp", "");
    params_without_user("sip:biloxi.com;lr;x=y", None, None, "biloxi.com", ";lr;x=y", "");
    password("sip:alice:secretword@atlanta.com;transport=tcp", Some("alice"), Some("secretword"), "atlanta.com", ";transport=tcp", "");
    empty_password("sip:alice:@atlanta.com", Some("alice"), Some(""), "atlanta.com", "", "");
    headers("sip:alice@atlanta.com?subject=project%20x&priority=urgent", Some("alice"), None, "atlanta.com", "", "subject=project%20x&priority=urgent");
    headers_without_user("sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com", None, None, "atlanta.com", ";method=REGISTER", "to=alice%40atlanta.com");
    a_header_without_value("sip:atlanta.com?subject=", None, None, "atlanta.com", "", "subject=");
    secure("sips:1212@gateway.com", Some("1212"), None, "gateway.com", "", "");
    the_scheme_in_any_case("SIP:bob@biloxi.com", Some("bob"), None, "biloxi.com", "", "");
    secure_in_any_case("SiPs:bob@biloxi.com", Some("bob"), None, "biloxi.com", "", "");
    a_telephone_number_as_user("sip:+1-212-555-1212:1234@gateway.com;user=phone", Some("+1-212-555-1212"), Some("1234"), "gateway.com", ";user=phone", "");
    an_ipv4_host("sip:alice@192.0.2.4", Some("alice"), None, "192.0.2.4", "", "");
    an_ipv6_host("sip:alice@[2001:db8::10]:5070", Some("alice"), None, "[2001:db8::10]:5070", "", "");
    rfc5118_4_3_the_last_group_is_no_port("sip:[2001:db8::10:5070]", None, None, "[2001:db8::10:5070]", "", "");
    rfc5118_4_10_three_colons("sip:user@[2001:db8:::192.0.2.1]", Some("user"), None, "[2001:db8:::192.0.2.1]", "", "");
    rfc3261_19_1_3_a_user_with_a_semicolon("sip:alice;day=tuesday@atlanta.com", Some("alice;day=tuesday"), None, "atlanta.com", "", "");
    rfc4475_3_1_1_9_semiuri("sip:user;par=u%40example.net@example.com", Some("user;par=u%40example.net"), None, "example.com", "", "");
    rfc4475_3_1_1_3_esc01("sip:sips%3Auser%40example.com@example.net", Some("sips%3Auser%40example.com"), None, "example.net", "", "");
    rfc4475_3_1_1_2_intmeth(
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"),
        Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"),
        "example.com",
        "",
        "",
    );
    escaped_params("sip:a@b;%6C%72;x=%41%5b", Some("a"), None, "b", ";%6C%72;x=%41%5b", "");
    every_octet_of_a_param("sip:a@b;-_.!~*'()[]/:&+$=[]/:&+$", Some("a"), None, "b", ";-_.!~*'()[]/:&+$=[]/:&+$", "");
    an_equals_sign_in_a_value("sip:a@b;x=AbC==;lr", Some("a"), None, "b", ";x=AbC==;lr", "");
    a_final_dot("sip:a@example.com.", Some("a"), None, "example.com.", "", "");
    an_underscore("sip:a@my_host", Some("a"), None, "my_host", "", "");
    digits_as_host("sip:a@1192.0.2.20:5060", Some("a"), None, "1192.0.2.20:5060", "", "");
    a_host_of_the_length_of_a_window("sip:a@abcdefghijklmnopqrstuvwxyz.abcde", Some("a"), None, "abcdefghijklmnopqrstuvwxyz.abcde", "", "");
    a_long_host(
        "sip:a@a-very-long-label-indeed.another-very-long-label.example.com:5060",
        Some("a"),
        None,
        "a-very-long-label-indeed.another-very-long-label.example.com:5060",
        "",
        "",
    );
    a_long_user(
        "sip:abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789@b",
        Some("abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789"),
        None,
        "b",
        "",
        "",
    );
}

fn faulty(text: &str, error: UriError) {
    assert_eq!(Uri::parse(text.as_bytes()), Err(error), "{text}");
}

cases! { faulty:
    nothing("", UriError::Scheme);
    no_scheme("bob@biloxi.com", UriError::Scheme);
    only_a_scheme("sip:", UriError::Host);
    rfc4475_3_1_2_7_ltgtruri("<sip:user@example.com>", UriError::Scheme);
    rfc4475_3_1_2_8_lwsruri("sip:user@example.com; lr", UriError::Params);
    rfc5118_4_2_ipv6_without_brackets("sip:2001:db8::10", UriError::Port);
    no_user_before_the_at_sign("sip:@example.com", UriError::User);
    no_host_behind_the_at_sign("sip:alice@", UriError::Host);
    an_address_with_a_final_dot("sip:192.092.0.2.", UriError::Host);
    two_at_signs("sip:alice@good.example.com@evil.example.com", UriError::Host);
    an_at_sign_behind_the_port("sip:a:5060;x@evil.example.com", UriError::Host);
    a_port_above_65535("sip:a@b:99999", UriError::Port);
    a_port_that_wraps_around("sip:a@b:4294972356", UriError::Port);
    an_empty_port("sip:a@b:", UriError::Port);
    a_port_that_is_no_number("sip:a@b:50a0", UriError::Host);
    a_bad_escape("sip:a%zz@b", UriError::Escape);
    a_cut_escape("sip:a@b;x=%4", UriError::Escape);
    a_cut_escape_in_the_user("sip:a%4", UriError::Escape);
    a_blank_in_the_user("sip:a b@c", UriError::Host);
    quotes_in_the_user("sip:\"a\"@b", UriError::Host);
    a_nul_in_the_user("sip:a\0b@c", UriError::Host);
    a_label_that_is_empty("sip:a@b..c", UriError::Host);
    a_label_that_begins_with_a_hyphen("sip:a@-b", UriError::Host);
    a_label_that_ends_with_a_hyphen("sip:a@b-.c", UriError::Host);
    a_host_that_ends_with_a_hyphen("sip:a@b-", UriError::Host);
    a_host_that_begins_with_a_dot("sip:a@.b", UriError::Host);
    an_empty_param("sip:a@b;;lr", UriError::Params);
    a_final_semicolon("sip:a@b;", UriError::Params);
    a_param_without_name("sip:a@b;=x", UriError::Params);
    a_header_without_equals_sign("sip:a@b?subject", UriError::Headers);
    a_header_without_name("sip:a@b?=x", UriError::Headers);
    no_header("sip:a@b?", UriError::Headers);
    an_empty_header("sip:a@b?x=y&&z=w", UriError::Headers);
    an_ipv6_reference_left_open("sip:a@[::1", UriError::Host);
    no_ipv6_address("sip:a@[::g]", UriError::Host);
    an_ipv6_address_too_long("sip:a@[1:2:3:4:5:6:7:8:9]", UriError::Host);
    a_zone("sip:a@[fe80::1%25eth0]", UriError::Host);
    not_ascii("sip:a@exämple.com", UriError::Host);
    a_number_without_digits("tel:+", UriError::Telephone);
    a_number_of_separators("tel:---", UriError::Telephone);
    a_global_number_with_letters("tel:+1800FLOWERS", UriError::Telephone);
    a_number_with_a_blank("tel:+1 212", UriError::Telephone);
    a_number_with_an_empty_param("tel:+1;", UriError::Telephone);
    a_scheme_that_begins_with_a_digit("1sip:a", UriError::Scheme);
    another_scheme_with_a_blank("urn:a b", UriError::Scheme);
}

#[test]
fn hosts_are_names_or_addresses() {
    assert_eq!(sip("sip:a@EXAMPLE.com").host, Host::Name(b"example.COM."));
    assert_eq!(sip("sip:a@192.0.2.4").host, Host::V4(Ipv4Addr::new(192, 0, 2, 4)));
    assert_eq!(sip("sip:a@[2001:DB8:0:0::1]").host, Host::V6("2001:db8::1".parse().unwrap()));
    assert_eq!(sip("sip:a@[2001:db8:::192.0.2.1]").host, Host::V6("2001:db8::192.0.2.1".parse().unwrap()));
    assert!(matches!(sip("sip:a@256.0.2.4").host, Host::Name(_)));
    assert_ne!(Host::Name(b"192.0.2.4"), Host::V4(Ipv4Addr::new(192, 0, 2, 4)));
    assert_eq!(Host::V4(Ipv4Addr::LOCALHOST).address(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let longest = [b'a'; 255];
    assert!(Host::parse(&longest).is_some() && Host::parse(&[b'a'; 256]).is_none());
    let a = Host::Name(b"a");
    assert!(sent_by_matches((&a, None), (&Host::Name(b"A"), Some(5060)), 5060));
    assert!(!sent_by_matches((&a, None), (&a, Some(5061)), 5060));
}

#[test]
fn hosts_and_addresses_are_written_in_their_canonical_form() {
    let written = |host: Host<'_>| {
        let mut out = Vec::new();
        host.write(&mut out);
        show(&out)
    };
    assert_eq!(written(Host::Name(b"ExAmple.COM.")), "example.com");
    assert_eq!(written(Host::V4(Ipv4Addr::new(192, 0, 2, 104))), "192.0.2.104");
    assert_eq!(written(Host::V6("2001:DB8:0:0:0:0:0:1".parse().unwrap())), "[2001:db8::1]");
    let mut out = Vec::new();
    write_address(IpAddr::V6(Ipv6Addr::LOCALHOST), &mut out);
    write_host(IpAddr::V6(Ipv6Addr::LOCALHOST), &mut out);
    write_host(IpAddr::V4(Ipv4Addr::LOCALHOST), &mut out);
    assert_eq!(show(&out), "::1[::1]127.0.0.1");
}

#[test]
fn parts_of_a_sip_uri() {
    let uri = sip("sip:a@b:5070;Transport=TCP;lr?subject=x&Priority=%20y");
    assert_eq!((uri.port, uri.transport().map(show)), (Some(5070), Some("TCP".into())));
    assert!(uri.is_loose_router());
    assert_eq!(uri.param(b"LR"), Some(None));
    assert_eq!(uri.param(b"maddr"), None);
    let headers: Vec<_> = uri.headers().map(|(name, value)| (show(name), show(value))).collect();
    assert_eq!(headers, [("subject".into(), "x".into()), ("Priority".to_owned(), "%20y".to_owned())]);
    assert!(!sip("sip:a@b;x=lr").is_loose_router());
}

#[test]
fn telephone_uris() {
    let tel = |text: &'static str| match Uri::parse(text.as_bytes()) {
        Ok(Uri::Tel(tel)) => tel,
        other => panic!("{text}: {other:?}"),
    };
    let uri = tel("tel:+1-201-555-0123;ext=7");
    assert!(uri.global && uri.params.contains(b"ext"));
    let mut out = Vec::new();
    uri.write_digits(&mut out);
    assert_eq!(show(&out), "+12015550123");
    let uri = tel("TEL:7042;phone-context=example.com");
    assert_eq!((uri.global, show(uri.number)), (false, "7042".into()));
    assert!(!tel("tel:*21#").global);
    out.clear();
    write_digits(b"(0)30.12-34", &mut out);
    assert_eq!(show(&out), "0301234");
}

#[test]
fn other_schemes_are_kept_as_they_are() {
    let uri = Uri::parse(b"nobodyKnowsThisScheme:totallyopaquecontent").unwrap();
    assert_eq!(uri, Uri::Other { scheme: b"nobodyKnowsThisScheme", rest: b"totallyopaquecontent" });
    assert_eq!(uri.scheme(), b"nobodyKnowsThisScheme");
    assert_eq!(Uri::parse(b"soap.beep://192.0.2.103:3002").unwrap().scheme(), b"soap.beep");
    assert!(Uri::parse(b"sipx:a").unwrap().as_sip().is_none());
    assert_eq!(Uri::parse(b"SIPS:a").unwrap().scheme(), b"sips");
}

fn equivalence(a: &str, b: &str, expected: bool) {
    let (x, y) = (Uri::parse(a.as_bytes()).unwrap(), Uri::parse(b.as_bytes()).unwrap());
    assert_eq!((equal(&x, &y), equal(&y, &x)), (expected, expected), "{a} and {b}");
    assert!(equal(&x, &x) && equal(&y, &y));
}

cases! { equivalence:
    // RFC 3261 §19.1.4: the sets that are equivalent.
    rfc3261_escapes_and_case("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true);
    rfc3261_unknown_params_1("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true);
    rfc3261_unknown_params_2("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true);
    rfc3261_order_of_params(
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        true,
    );
    rfc3261_order_of_headers(
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        true,
    );
    // RFC 3261 §19.1.4: the sets that are not.
    rfc3261_different_usernames("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false);
    rfc3261_different_ports("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false);
    rfc3261_different_transports("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false);
    rfc3261_different_ports_and_transports("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false);
    rfc3261_different_headers("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false);
    rfc3261_name_and_address("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false);
    rfc3261_not_transitive("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false);
    sip_and_sips("sip:bob@biloxi.com", "sips:bob@biloxi.com", false);
    a_user_on_one_side("sip:biloxi.com", "sip:bob@biloxi.com", false);
    a_password_on_one_side("sip:bob@biloxi.com", "sip:bob:x@biloxi.com", false);
    passwords_in_two_cases("sip:bob:X@biloxi.com", "sip:bob:x@biloxi.com", false);
    maddr_on_one_side("sip:bob@biloxi.com;maddr=192.0.2.1", "sip:bob@biloxi.com", false);
    ttl_on_one_side("sip:bob@biloxi.com;ttl=1", "sip:bob@biloxi.com", false);
    user_on_one_side("sip:bob@biloxi.com;user=ip", "sip:bob@biloxi.com", false);
    method_on_one_side("sip:bob@biloxi.com;method=INVITE", "sip:bob@biloxi.com", false);
    a_reserved_octet_differs_from_its_escape("sip:a;b@c", "sip:a%3Bb@c", false);
    an_unreserved_octet_equals_its_escape("sip:%2A~@c", "sip:*%7e@c", true);
    escapes_in_two_cases("sip:a%c3%bc@c", "sip:a%C3%BC@c", true);
    a_name_of_a_param_that_is_escaped("sip:a@c;%6cr=1", "sip:a@c;LR=1", true);
    a_header_twice("sip:a@c?x=1&x=1", "sip:a@c?x=1&y=1", false);
    texts_of_one_ipv6_address("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0:0::1]", true);
    a_final_dot("sip:a@c.example", "sip:a@c.example.", true);
    numbers_with_and_without_separators("tel:+1-201-555-0123", "tel:+1(201)5550123", true);
    a_global_and_a_local_number("tel:+12015550123", "tel:12015550123", false);
    contexts_in_another_order("tel:7042;phone-context=example.com;x=1", "tel:7042;X=1;phone-context=EXAMPLE.com", true);
    different_contexts("tel:7042;phone-context=example.com", "tel:7042;phone-context=example.net", false);
    other_schemes("urn:service:sos", "URN:service:sos", true);
    other_schemes_in_another_case("urn:service:sos", "urn:service:SOS", false);
    two_schemes("tel:+1", "sip:+1@a", false);
}

#[test]
fn hostile_uris_are_compared_in_bounded_time() {
    let many = |first: char, between: char, from: usize| {
        let list: Vec<String> = (from..5000).chain(0..from).map(|number| format!("n{number}=1")).collect();
        format!("sip:a@b{first}{}", list.join(&between.to_string()))
    };
    for (first, between) in [(';', ';'), ('?', '&')] {
        let (one, other) = (many(first, between, 0), many(first, between, 1));
        let (one, other) = (Uri::parse(one.as_bytes()).unwrap(), Uri::parse(other.as_bytes()).unwrap());
        assert!(equal(&one, &one));
        assert!(!equal(&one, &other), "so many in another order are not compared");
    }
}

fn aor(text: &str, expected: Option<&str>) {
    let mut out = b"x".to_vec();
    let written = write_aor(&Uri::parse(text.as_bytes()).unwrap(), &mut out);
    assert_eq!((written, show(&out)), (expected.is_some(), show(format!("x{}", expected.unwrap_or("")).as_bytes())));
}

cases! { aor:
    rfc3261_10_3_5_without_params("sip:alice@atlanta.com;transport=tcp;user=phone", Some("alice@atlanta.com"));
    without_port_password_and_headers("sip:alice:pw@atlanta.com:5070?x=y", Some("alice@atlanta.com"));
    the_host_in_lower_case("sip:Alice@ATLANTA.Com.", Some("Alice@atlanta.com"));
    the_user_unescaped("sip:%61%6Cic%65@a", Some("alice@a"));
    rfc4475_3_1_1_4_escnull("sip:null-%00-null@example.com", Some("null-\0-null@example.com"));
    an_at_sign_in_the_user("sip:a%40b@c", Some("a@b@c"));
    no_user("sip:atlanta.com", Some("atlanta.com"));
    secure_ones_are_the_same("sips:alice@atlanta.com", Some("alice@atlanta.com"));
    an_ipv6_host("sip:a@[2001:DB8:0::1]:5060", Some("a@[2001:db8::1]"));
    a_number("tel:+1-201-555-0123;ext=7", Some("+12015550123"));
    another_scheme("urn:service:sos", None);
}

#[test]
fn escapes_are_decoded_once() {
    let unescaped = |text: &str| {
        let mut out = Vec::new();
        unescape(text.as_bytes(), &mut out);
        show(&out)
    };
    assert_eq!(unescaped("value%2541"), "value%41", "RFC 4475 §3.1.1.3 esc01");
    assert_eq!(unescaped("%41%zz%4"), "A%zz%4");
    assert_eq!(unescaped("%00%ff"), "\\x00\\xff");
    let mut out = Vec::new();
    write_escaped_user(b"a@b c%\xC3\n;+", &mut out);
    assert_eq!(show(&out), "a%40b%20c%25%C3%0A;+");
}

#[test]
fn schemes_and_what_is_sip() {
    let row = |text: &'static str| {
        let uri = Uri::parse(text.as_bytes()).unwrap();
        (show(uri.scheme()), uri.as_sip().is_some())
    };
    assert_eq!(row("Sip:a@b"), ("sip".into(), true));
    assert_eq!(row("SIPS:a@b"), ("sips".into(), true));
    assert_eq!(row("TEL:+4930"), ("tel".into(), false));
    assert_eq!(row("urn:service:sos"), ("urn".into(), false));
}

/// A person reads them in the reason phrase of a 400, or in a log.
#[test]
fn each_error_says_what_is_bad() {
    let rows = [
        ("sip:a%zz@b", "bad escape"),
        ("sip:a@b?x", "bad headers part"),
        ("sip:a@-b", "bad host"),
        ("sip:a@b;=1", "bad parameters"),
        ("sip:a@b:65536", "bad port"),
        ("sip", "bad scheme"),
        ("tel:xyz", "bad telephone number"),
        ("sip:@b", "bad user"),
    ];
    for (text, expected) in rows {
        assert_eq!(Uri::parse(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
    }
}
