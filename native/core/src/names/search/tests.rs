//! Decision tables: a zone, a URI, and the places that follow. RFC 3263 §4.

use super::*;
use dialplane_syntax::Uri;

/// `example.com` speaks everything; the others lack what their names say.
const ZONE: &str = "
    example.com NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com
    example.com NAPTR 90 50 s SIP+D2T _sip._tcp.example.com
    example.com NAPTR 100 60 s SIP+D2U _sip._udp.elsewhere.net
    example.com NAPTR 100 50 u E2U+sip _sip._udp.example.com
    example.com NAPTR 10 50 s SIP+D2S _sip._sctp.example.com
    _sips._tcp.example.com SRV 0 1 5061 a.example.com
    _sip._tcp.example.com SRV 0 1 5060 a.example.com
    _sip._udp.example.com SRV 0 1 5999 a.example.com
    _sip._udp.elsewhere.net SRV 1 10 5070 b.example.com
    _sip._udp.elsewhere.net SRV 0 10 5060 a.example.com
    _sip._udp.elsewhere.net SRV 1 20 5070 a.example.com
    a.example.com A 192.0.2.1
    a.example.com A 2001:db8::1
    b.example.com A 192.0.2.2
    example.com A 192.0.2.9
    srv.net SRV 0 0 0 .
    _sip._udp.srv.net SRV 0 1 5064 a.example.com
    _sip._tcp.srv.net SRV 0 1 5065 b.example.com
    srv.net A 192.0.2.9
    tcp.net A 192.0.2.9
    _sip._tcp.tcp.net SRV 0 1 5066 b.example.com
    _sips._tcp.tcp.net SRV 0 1 5067 b.example.com
    none.net A 192.0.2.9
    _sip._udp.none.net SRV 0 0 0 .
    _sip._udp.gone.net SRV 0 1 5060 nowhere.gone.net
    plain.net A 192.0.2.3
    plain.net A 2001:db8::3
    foreign.net NAPTR 10 10 s SIP+D2S _sip._sctp.foreign.net
    _sip._udp.foreign.net SRV 0 1 5068 b.example.com
    six.net A 2001:db8::6
";

fn reach(transports: &str) -> Reach {
    let mut reach = Reach { ipv4: transports.contains('4'), ipv6: transports.contains('6'), ..Reach::default() };
    for (letter, transport) in
        [('u', Transport::Udp), ('t', Transport::Tcp), ('s', Transport::Tls), ('w', Transport::Ws)]
    {
        if transports.contains(letter) {
            reach.add(transport);
        }
    }
    reach
}

fn hop(uri: &str) -> NextHop {
    let parsed = Uri::parse(uri.as_bytes()).expect(uri);
    NextHop::of(parsed.as_sip().expect(uri)).expect("a next hop")
}

fn name(text: &str) -> Box<[u8]> {
    text.as_bytes().into()
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a number")
}

/// What a server with this zone says; `broken` are kinds of records that it cannot answer for.
fn ask(query: &Query, broken: &str) -> Reply {
    let (kind, asked) = match query {
        Query::Naptr(asked) => ("NAPTR", asked),
        Query::Srv(asked) => ("SRV", asked),
        Query::Addresses(asked) => ("A", asked),
    };
    if broken.split(' ').any(|broken| broken == kind) {
        return Reply::Failed;
    }
    let lines = ZONE.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found: Vec<_> =
        lines.filter(|line| line.len() > 2 && line[0].as_bytes() == &**asked && line[1] == kind).collect();
    match kind {
        _ if found.is_empty() => Reply::Nothing(5),
        "NAPTR" => Reply::Naptr(
            found
                .iter()
                .map(|line| Naptr {
                    order: number(line[2]),
                    preference: number(line[3]),
                    flags: name(line[4]),
                    services: name(line[5]),
                    replacement: name(line[6]),
                })
                .collect(),
            300,
        ),
        "SRV" => Reply::Srv(
            found
                .iter()
                .map(|line| Srv {
                    priority: number(line[2]),
                    weight: number(line[3]),
                    port: number(line[4]),
                    target: name(line[5]),
                })
                .collect(),
            200,
        ),
        _ => Reply::Addresses(found.iter().map(|line| number(line[2])).collect(), 100),
    }
}

/// The outcome, and what was asked on the way.
fn search(uri: &str, reach: Reach, broken: &str) -> (Outcome, Vec<Query>) {
    let mut search = Search::new(&hop(uri), reach);
    let mut asked = Vec::new();
    loop {
        if let Some(outcome) = search.outcome() {
            return (outcome.clone(), asked);
        }
        let queries = search.queries();
        assert!(!queries.is_empty() && asked.len() < 20);
        search.answer(queries.iter().map(|query| ask(query, broken)).collect());
        asked.extend(queries);
    }
}

/// `0 tls 192.0.2.1:5061`, with the weight where it is not 1; or what else came of it.
fn places(uri: &str, transports: &str) -> Vec<String> {
    match search(uri, reach(transports), "").0 {
        Outcome::Nothing(_) => vec!["nothing".into()],
        Outcome::Failed => vec!["failed".into()],
        Outcome::Places(places, _) => places
            .iter()
            .map(|place| {
                let transport = format!("{:?}", place.transport).to_lowercase();
                let weight = if place.weight == 1 { String::new() } else { format!(" {}", place.weight) };
                format!("{} {transport} {}{weight}", place.rank, place.address)
            })
            .collect(),
    }
}

#[test]
fn the_whole_way() {
    for (uri, transports, expected) in [
        // NAPTR says the order; equal services that we do not speak are left out.
        (
            "sip:example.com",
            "uts4",
            &[
                "0 tls 192.0.2.1:5061",
                "1 tcp 192.0.2.1:5060",
                "2 udp 192.0.2.1:5060 10",
                "3 udp 192.0.2.2:5070 10",
                "3 udp 192.0.2.1:5070 20",
            ][..],
        ),
        ("sip:example.com", "u4", &["0 udp 192.0.2.1:5060 10", "1 udp 192.0.2.2:5070 10", "1 udp 192.0.2.1:5070 20"]),
        ("sip:example.com", "t46", &["0 tcp 192.0.2.1:5060", "0 tcp [2001:db8::1]:5060"]),
        ("sips:example.com", "uts4", &["0 tls 192.0.2.1:5061"]),
        ("sips:example.com", "ut4", &["0 tls 192.0.2.1:5061"]),
        // A transport in the URI: SRV at once.
        ("sip:example.com;transport=udp", "uts4", &["0 udp 192.0.2.1:5999"]),
        ("sip:example.com;transport=tls", "uts4", &["0 tls 192.0.2.1:5061"]),
        ("sips:example.com;transport=tcp", "uts4", &["0 tls 192.0.2.1:5061"]),
        // A port in the URI: addresses at once.
        ("sip:example.com:5080", "uts4", &["0 udp 192.0.2.9:5080"]),
        ("sip:example.com:5080", "ts4", &["0 tcp 192.0.2.9:5080"]),
        ("sips:example.com:5080", "uts4", &["0 tls 192.0.2.9:5080"]),
        ("sip:example.com:5080;transport=tcp", "uts4", &["0 tcp 192.0.2.9:5080"]),
        // No SRV is defined for WebSocket.
        ("sip:example.com;transport=ws", "uw4", &["0 ws 192.0.2.9:80"]),
        // No NAPTR: SRV of what we speak.
        ("sip:srv.net", "uts4", &["0 udp 192.0.2.1:5064", "1 tcp 192.0.2.2:5065"]),
        ("sip:tcp.net", "uts4", &["0 tcp 192.0.2.2:5066"]),
        ("sip:tcp.net", "s4", &["0 tls 192.0.2.2:5067"]),
        ("sips:tcp.net", "uts4", &["0 tls 192.0.2.2:5067"]),
        ("sip:foreign.net", "uts4", &["0 udp 192.0.2.2:5068"]),
        // Neither: addresses at the port of the usual transport.
        ("sip:plain.net", "uts4", &["0 udp 192.0.2.3:5060"]),
        ("sip:plain.net", "uts46", &["0 udp 192.0.2.3:5060", "0 udp [2001:db8::3]:5060"]),
        ("sip:plain.net", "ts4", &["0 tcp 192.0.2.3:5060"]),
        ("sips:plain.net", "uts4", &["0 tls 192.0.2.3:5061"]),
        ("sips:srv.net", "uts4", &["0 tls 192.0.2.9:5061"]),
        ("sip:srv.net;transport=tls", "uts4", &["0 tls 192.0.2.9:5061"]),
        // Nowhere.
        ("sip:none.net", "u4", &["nothing"]),
        ("sip:gone.net", "u4", &["nothing"]),
        ("sip:unknown.net", "uts46", &["nothing"]),
        ("sip:six.net", "u4", &["nothing"]),
    ] {
        assert_eq!(places(uri, transports), expected, "{uri} with {transports}");
    }
}

#[test]
fn what_is_asked() {
    let asked = |uri, transports| -> Vec<String> {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let queries = search(uri, reach(transports), "").1;
        let kind = |query: &Query| match query {
            Query::Naptr(name) => format!("NAPTR {}", text(name)),
            Query::Srv(name) => format!("SRV {}", text(name)),
            Query::Addresses(name) => format!("A {}", text(name)),
        };
        queries.iter().map(kind).collect()
    };
    assert_eq!(asked("sip:plain.net:5060", "u4"), ["A plain.net"]);
    assert_eq!(asked("sip:plain.net;transport=tcp", "ut4"), ["SRV _sip._tcp.plain.net", "A plain.net"]);
    assert_eq!(
        asked("sip:srv.net", "ut4"),
        ["NAPTR srv.net", "SRV _sip._udp.srv.net", "SRV _sip._tcp.srv.net", "A a.example.com", "A b.example.com"]
    );
    let once = asked("sip:example.com", "uts4");
    assert_eq!(once.iter().filter(|query| *query == "A a.example.com").count(), 1, "{once:?}");
}

#[test]
fn servers_that_fail() {
    let outcome = |uri, broken| search(uri, reach("ut4"), broken).0;
    let found = outcome("sip:srv.net", "NAPTR");
    assert!(matches!(&found, Outcome::Places(places, HALF_TTL) if places.len() == 2), "asked again soon: {found:?}");
    assert!(matches!(outcome("sip:plain.net", "NAPTR SRV"), Outcome::Places(..)));
    assert_eq!(outcome("sip:srv.net", "A"), Outcome::Failed);
    assert_eq!(outcome("sip:unknown.net", "NAPTR"), Outcome::Failed, "that there is nothing is not known");
    assert_eq!(outcome("sip:unknown.net", ""), Outcome::Nothing(5));
}

#[test]
fn the_shortest_life_counts() {
    let life = |uri| match search(uri, reach("uts4"), "").0 {
        Outcome::Places(_, ttl) | Outcome::Nothing(ttl) => ttl,
        Outcome::Failed => 0,
    };
    assert_eq!(life("sip:example.com"), 100);
    assert_eq!(life("sip:none.net;transport=udp"), 200);
    assert_eq!(life("sip:unknown.net"), 5);
}

#[test]
fn equals_have_one_order_whatever_the_server_says() {
    let records = |order: [usize; 3]| {
        let all = ["c", "a", "b"].map(|target| Srv { priority: 0, weight: 1, target: name(target), port: 5060 });
        order.map(|place| all[place].clone()).to_vec()
    };
    let follow = |order| {
        let mut search = Search::new(&hop("sip:example.com;transport=udp"), reach("u4"));
        search.answer(vec![Reply::Srv(records(order), 60)]);
        search.queries()
    };
    assert_eq!(follow([0, 1, 2]), follow([2, 1, 0]));
    assert_eq!(follow([0, 1, 2])[0], Query::Addresses(name("a")));
}

#[test]
fn a_zone_of_any_size_is_bounded() {
    let mut search = Search::new(&hop("sip:example.com;transport=udp"), reach("u4"));
    let records =
        (0..1000).map(|number| Srv { priority: number, weight: 0, target: name(&format!("h{number}")), port: 5060 });
    search.answer(vec![Reply::Srv(records.collect(), 60)]);
    let queries = search.queries();
    assert_eq!(queries.len(), MOST_RECORDS);
    let addresses: Vec<IpAddr> = (0..255).map(|last| IpAddr::from([192, 0, 2, last])).collect();
    search.answer(queries.iter().map(|_| Reply::Addresses(addresses.clone(), 60)).collect());
    assert!(matches!(search.outcome(), Some(Outcome::Places(places, 60)) if places.len() == MOST_PLACES));
}
