//! The machines over their whole life in virtual time: when each message leaves. RFC 3261 §17.1.1.2, §17.1.2.2, §17.2.1,
//! RFC 6026 §7, RFC 4320 §4.

mod common;

use common::{Record, START};
use dialplane_transaction::{
    ClientInvite, ClientNonInvite, Due, Reliability, ServerInvite, ServerNonInvite, Taken, TimerConfig, client_invite,
    client_non_invite, server_invite, server_non_invite,
};

const CONFIG: TimerConfig = TimerConfig { t1: 500, t2: 4000, t4: 5000, c: 181_000, d: 32_000 };

/// Lets time jump from deadline to deadline, and writes down what leaves when (milliseconds after the start).
fn live(
    mut record: Record,
    mut due: impl FnMut() -> Option<Due>,
    mut fire: impl FnMut(Due, &mut Record),
) -> Vec<String> {
    let mut story: Vec<String> = record.take().into_iter().map(|what| format!("0 {what}")).collect();
    while let Some(next) = due() {
        fire(next, &mut record);
        let at = next.at - START;
        match record.take() {
            words if words.is_empty() => story.push(format!("{at} {}", next.timer)),
            words => story.extend(words.into_iter().map(|what| format!("{at} {what}"))),
        }
        assert!(story.len() < 50, "it ends: {story:?}");
    }
    story
}

macro_rules! live {
    ($machine:expr, $record:expr, $module:ident) => {{
        let machine = std::cell::RefCell::new($machine);
        let story = live(
            $record,
            || machine.borrow().due(),
            |due, record| {
                let event = $module::Event::of(due.timer).expect("a timer of this machine");
                let taken = machine.borrow_mut().on_event(due.at, event, &CONFIG, record);
                assert_eq!(taken, Taken::Yes, "{} fires only where it runs", due.timer);
            },
        );
        assert!(machine.borrow().is_terminated());
        story
    }};
}

#[test]
fn an_invite_that_nobody_answers() {
    let mut record = Record::default();
    let machine = ClientInvite::new(START, &CONFIG, Reliability::Unreliable, "INVITE", &mut record);
    let sends = [0, 500, 1500, 3500, 7500, 15_500, 31_500].map(|at| format!("{at} send INVITE"));
    let expected = [&sends[..], &["32000 tell the user: timeout".to_owned()]].concat();
    assert_eq!(live!(machine, record, client_invite), expected);
    let mut record = Record::default();
    let machine = ClientInvite::new(START, &CONFIG, Reliability::Reliable, "INVITE", &mut record);
    assert_eq!(live!(machine, record, client_invite), ["0 send INVITE", "32000 tell the user: timeout"]);
}

#[test]
fn an_invite_that_is_refused() {
    let mut record = Record::default();
    let mut machine = ClientInvite::new(START, &CONFIG, Reliability::Unreliable, "INVITE", &mut record);
    for event in [client_invite::Event::Provisional, client_invite::Event::Rejection, client_invite::Event::Rejection] {
        assert_eq!(machine.on_event(START, event, &CONFIG, &mut record), Taken::Yes);
    }
    assert_eq!(
        live!(machine, record, client_invite),
        ["0 send INVITE", "0 pass it on", "0 send ACK", "0 pass it on", "0 send ACK", "32000 Timer D"]
    );
}

#[test]
fn an_invite_that_is_accepted_more_than_once() {
    let mut record = Record::default();
    let mut machine = ClientInvite::new(START, &CONFIG, Reliability::Unreliable, "INVITE", &mut record);
    for _ in 0..3 {
        let _ = machine.on_event(START, client_invite::Event::Success, &CONFIG, &mut record);
    }
    let passes = ["0 send INVITE", "0 pass it on", "0 pass it on", "0 pass it on", "32000 Timer M"];
    assert_eq!(live!(machine, record, client_invite), passes);
}

#[test]
fn a_request_that_nobody_answers() {
    let mut record = Record::default();
    let machine = ClientNonInvite::new(START, &CONFIG, Reliability::Unreliable, "BYE", &mut record);
    let at = [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let expected = [&at.map(|at| format!("{at} send BYE"))[..], &["32000 tell the user: timeout".into()]].concat();
    assert_eq!(live!(machine, record, client_non_invite), expected);
}

#[test]
fn a_request_with_a_provisional_response_is_sent_every_t2() {
    let mut record = Record::default();
    let mut machine = ClientNonInvite::new(START, &CONFIG, Reliability::Unreliable, "BYE", &mut record);
    let _ = machine.on_event(START, client_non_invite::Event::Provisional, &CONFIG, &mut record);
    let at = [500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500].map(|at| format!("{at} send BYE"));
    let begin = ["0 send BYE".to_owned(), "0 pass it on".into()];
    let expected = [&begin[..], &at[..], &["32000 tell the user: timeout".into()]].concat();
    assert_eq!(live!(machine, record, client_non_invite), expected);
}

#[test]
fn a_refusal_is_sent_until_it_is_acknowledged() {
    let mut record = Record::default();
    let mut machine = ServerInvite::new(Reliability::Unreliable, &mut record);
    let _ = machine.on_event(START, server_invite::Event::Rejection("486"), &CONFIG, &mut record);
    let at = [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let begin = ["0 send 100".to_owned()];
    let end = ["32000 tell the user: timeout".to_owned()];
    let expected = [&begin[..], &at.map(|at| format!("{at} send 486"))[..], &end[..]].concat();
    assert_eq!(live!(machine, record, server_invite), expected);
    let mut record = Record::default();
    let mut machine = ServerInvite::new(Reliability::Unreliable, &mut record);
    for event in [server_invite::Event::Rejection("486"), server_invite::Event::Ack] {
        let _ = machine.on_event(START, event, &CONFIG, &mut record);
    }
    assert_eq!(live!(machine, record, server_invite), ["0 send 100", "0 send 486", "5000 Timer I"]);
}

/// RFC 4320 §4.1: 100 for a non-INVITE request, no sooner and no later than a client's Timer E reaches T2.
#[test]
fn a_slow_answer_is_announced() {
    let machine = ServerNonInvite::<&'static str>::new(START, &CONFIG, Reliability::Unreliable);
    let due = machine.due().expect("a deadline");
    let mut machine = machine;
    let mut record = Record::default();
    let _ = machine.on_event(due.at, server_non_invite::Event::TimerLate, &CONFIG, &mut record);
    assert_eq!((due.at - START, record.take()), (3500, vec!["send 100".to_owned()]));
    assert_eq!(machine.due(), None, "only the transaction user ends it now");
    let _ = machine.on_event(due.at, server_non_invite::Event::Final("200"), &CONFIG, &mut record);
    assert_eq!(machine.due().map(|next| next.at - due.at), Some(32_000));
}

/// What is parked can print itself.
#[test]
fn machines_tell_where_they_are() {
    let mut record = Record::default();
    let client = ClientInvite::new(START, &CONFIG, Reliability::Unreliable, "INVITE", &mut record);
    assert_eq!(client.to_string(), "INVITE client: Calling, Timer A at 1000500");
    assert_eq!(ServerInvite::<&str>::new(Reliability::Reliable, &mut record).to_string(), "INVITE server: Proceeding");
    let server = ServerNonInvite::<&str>::new(START, &CONFIG, Reliability::Reliable);
    assert_eq!(server.to_string(), "non-INVITE server: Trying, Timer Late at 1003500");
    let client = ClientNonInvite::new(START, &CONFIG, Reliability::Reliable, "BYE", &mut record);
    assert_eq!(client.to_string(), "non-INVITE client: Trying, Timer F at 1032000");
}
