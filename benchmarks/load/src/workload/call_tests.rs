//! A pretended proxy between the two roles, without sockets.

use super::*;
use crate::ident::Ident;

fn workload(options: Options, contact: Option<&str>) -> Call {
    let common = Common {
        ident: Ident::new(1),
        users: 1000,
        ports: vec![16100],
        step: 1,
        domain: "bench.example".into(),
        contact: contact.map(Into::into),
        floor: false,
    };
    let usual = Options { size: 726, target: "127.0.0.1:16090".into(), uas_port: 16090, ..options };
    Call::new(common, usual).unwrap()
}

fn texts(outbox: &mut Outbox) -> Vec<String> {
    let texts = outbox.messages().map(|m| String::from_utf8(m.to_vec()).unwrap()).collect();
    *outbox = Outbox::default();
    texts
}

/// What a proxy makes of a request: Via and Record-Route on top, no Route, one hop less, and its URI.
fn forward(request: &str, branch: &str, uri: Option<&str>) -> String {
    let (start, rest) = request.split_once("\r\n").unwrap();
    let (method, old) = start.split_once(' ').unwrap();
    let uri = uri.unwrap_or(old.strip_suffix(" SIP/2.0").unwrap());
    let own = format!(
        "Via: SIP/2.0/UDP 127.0.0.1:16060;branch=z9hG4bK{branch}\r\nRecord-Route: <sip:127.0.0.1:16060;lr;x={branch}>\r\n"
    );
    let rest: String = rest.split_inclusive("\r\n").filter(|line| !line.starts_with("Route:")).collect();
    let hops = if rest.contains("Max-Forwards: 70") { 70 } else { 69 };
    let rest = rest.replace(&format!("Max-Forwards: {hops}\r"), &format!("Max-Forwards: {}\r", hops - 1));
    format!("{method} {uri} SIP/2.0\r\n{own}{rest}")
}

fn backward(response: &str) -> String {
    let (start, rest) = response.split_once("\r\n").unwrap();
    format!("{start}\r\n{}", rest.split_once("\r\n").unwrap().1)
}

fn trying(invite: &str) -> String {
    let head = invite.split_once("Max-Forwards").unwrap().0.split_once("\r\n").unwrap().1;
    format!(
        "SIP/2.0 100 Trying\r\n{head}Call-ID: {}\r\n\r\n",
        invite.split_once("all-ID: ").or(invite.split_once("\ni: ")).unwrap().1
    )
}

/// A session between the two, as steps say how it goes on.
struct Play {
    call: Call,
    slots: Slots,
    uac: [Outbox; 1],
    uas: Outbox,
}

impl Play {
    fn new(call: Call) -> Self {
        Self { call, slots: Slots::new(16, 1), uac: [Outbox::default()], uas: Outbox::default() }
    }

    fn begin(&mut self, id: u64) -> String {
        let copies = self.call.begin(id, &mut self.uac);
        self.slots.begin(id, 0, copies);
        texts(&mut self.uac[0]).remove(0)
    }

    fn at_uas(&mut self, text: &str) -> Result<(Step, Vec<String>), Wrong> {
        let step = self.call.at_uas(text.as_bytes(), &mut self.slots, &mut self.uas)?;
        Ok((step, texts(&mut self.uas)))
    }

    fn at_uac(&mut self, text: &str) -> Result<(Step, Vec<String>), Wrong> {
        let step = self.call.at_uac(text.as_bytes(), 0, &mut self.slots, &mut self.uac)?;
        Ok((step, texts(&mut self.uac[0])))
    }
}

#[test]
fn a_whole_call_comes_through() {
    let mut play = Play::new(workload(Options { branches: 1, ..Options::default() }, None));
    for id in 0..40 {
        let invite = play.begin(id);
        assert!(matches!(play.at_uac(&trying(&invite)).unwrap().0, Step::Continues));
        let (_, answers) = play.at_uas(&forward(&invite, "a", None)).unwrap();
        assert_eq!(answers.len(), 2, "180 and 200");
        assert!(matches!(play.at_uac(&backward(&answers[0])).unwrap().0, Step::Heard(_)));
        let (step, requests) = play.at_uac(&backward(&answers[1])).unwrap();
        assert!(matches!(step, Step::Continues));
        assert!(
            requests.iter().all(|text| text.contains("\r\nRoute: <sip:127.0.0.1:16060;lr;x=a>\r\n")),
            "{requests:?}"
        );
        let plain =
            |request: &str| forward(request, "b", None).replace("Record-Route: <sip:127.0.0.1:16060;lr;x=b>\r\n", "");
        assert!(play.at_uas(&plain(&requests[0])).unwrap().1.is_empty(), "ACK");
        let (_, ended) = play.at_uas(&plain(&requests[1])).unwrap();
        assert!(matches!(play.at_uac(&backward(&ended[0])).unwrap().0, Step::Arrived(found) if found == id));
        play.slots.arrive(id);
    }
}

#[test]
fn faults_are_found() {
    type Change = fn(String) -> String;
    let same: Change = |text| text;
    for (name, invite, answer, ack) in [
        ("URI", (|text| text.replacen("@127.0.0.1:16090", "@127.0.0.1:16091", 1)) as Change, same, same),
        ("no Via", |text| text.replacen("Via: SIP/2.0/UDP 127.0.0.1:16060;branch=z9hG4bKa\r\n", "", 1), same, same),
        ("To tag", same, |text| text.replacen(";tag=", ";tag=0", 2), same),
        ("Via stays", same, |text| text.replacen("\r\n", "\r\nVia: SIP/2.0/UDP p;branch=z9hG4bKa\r\n", 1), same),
        ("Route stays", same, same, |text| text.replacen("Max-Forwards", "Route: <sip:x;lr>\r\nMax-Forwards", 1)),
        ("hops", same, same, |text| text.replacen("Max-Forwards: 69", "Max-Forwards: 70", 1)),
    ] {
        let mut play = Play::new(workload(Options { branches: 1, ..Options::default() }, None));
        let sent = play.begin(1);
        let run = |play: &mut Play| -> Result<(), Wrong> {
            let (_, answers) = play.at_uas(&invite(forward(&sent, "a", None)))?;
            let (_, requests) = play.at_uac(&answer(backward(&answers[1])))?;
            play.at_uas(&ack(forward(&requests[0], "b", None))).map(|_| ())
        };
        assert!(run(&mut play).is_err(), "{name}");
    }
    let mut play = Play::new(workload(Options { branches: 1, ..Options::default() }, None));
    let invite = play.begin(1);
    let forwarded = forward(&invite, "a", None);
    play.at_uas(&forwarded).unwrap();
    assert!(matches!(play.at_uas(&forwarded).unwrap().0, Step::Stray), "a second INVITE");
}

#[test]
fn of_three_contacts_one_answers_and_two_are_cancelled() {
    let options = Options { lookup: true, branches: 3, ..Options::default() };
    let mut play = Play::new(workload(options, Some("127.0.0.1:16090;n=0")));
    for id in 0..20 {
        let invite = play.begin(id);
        assert!(invite.contains("@bench.example"));
        let mut answers = Vec::new();
        for branch in [2, 0, 1] {
            let mut uri = Vec::new();
            play.call.push_contact(id, branch, &mut uri);
            let uri = String::from_utf8(uri).unwrap();
            answers.push(play.at_uas(&forward(&invite, &format!("f{branch}"), Some(&uri))).unwrap().1);
        }
        assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 2]);
        for (place, answer) in answers.iter().enumerate() {
            let step = play.at_uac(&backward(&answer[0])).unwrap().0;
            assert_eq!(matches!(step, Step::Heard(_)), place == 0, "{step:?}");
        }
        let (_, requests) = play.at_uac(&backward(&answers[2][1])).unwrap();
        let call_id = invite.lines().find(|line| line.starts_with("Call-ID") || line.starts_with("i:")).unwrap();
        let own = |method: &str, branch: u32| {
            format!(
                "{method} sip:x;n={branch} SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bKf{branch}\r\n{call_id}\r\nCSeq: 1 {method}\r\n\r\n"
            )
        };
        assert!(play.at_uas(&own("CANCEL", 1)).is_err(), "the one that answered");
        for branch in [0, 2] {
            let (_, said) = play.at_uas(&own("CANCEL", branch)).unwrap();
            assert!(said[0].starts_with("SIP/2.0 200 OK") && said[1].starts_with("SIP/2.0 487 "), "{said:?}");
            assert!(said[1].contains(&format!("\r\nVia: SIP/2.0/UDP p;branch=z9hG4bKf{branch}\r\n")), "{said:?}");
        }
        let plain =
            |request: &str| forward(request, "b", None).replace("Record-Route: <sip:127.0.0.1:16060;lr;x=b>\r\n", "");
        play.at_uas(&plain(&requests[0])).unwrap();
        let (_, ended) = play.at_uas(&plain(&requests[1])).unwrap();
        assert!(matches!(play.at_uac(&backward(&ended[0])).unwrap().0, Step::Continues), "the ACKs are missing");
        play.at_uas(&own("ACK", 0)).unwrap();
        assert!(matches!(play.at_uas(&own("ACK", 2)).unwrap().0, Step::Arrived(_)));
        play.slots.arrive(id);
    }
}
