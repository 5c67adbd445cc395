//! Every state × event of every machine, in virtual time. The tables that come of it stand in `tables/`; a machine that
//! behaves otherwise fails here, and the difference is to be read there. `DIALPLANE_WRITE_TABLES=1` writes them anew.

mod common;

use common::{Record, START};
use dialplane_transaction::{
    ClientInvite, ClientNonInvite, Due, Reliability, ServerInvite, ServerNonInvite, Taken, TimerConfig, client_invite,
    client_non_invite, server_invite, server_non_invite,
};
use std::fmt::Write as _;

/// One machine, as the table needs it.
trait Machine: Clone + PartialEq {
    type Event: Clone;
    /// What it is called, and where that is defined.
    const TITLE: &'static str;
    const STATES: &'static [&'static str];

    /// A machine in that state; `None` when a transport has no such state.
    fn reach(state: &str, reliability: Reliability) -> Option<Self>;
    fn events() -> Vec<(&'static str, Self::Event)>;
    fn step(&mut self, now: u64, event: Self::Event, record: &mut Record) -> Taken;
    fn state_name(&self) -> &'static str;
    fn next(&self) -> Option<Due>;
}

const CONFIG: TimerConfig = TimerConfig { t1: 500, t2: 4000, t4: 5000, c: 181_000, d: 32_000 };
/// When the event happens, later than the state began.
const LATER: u64 = START + 100;

/// What came of an event, in words.
fn cell<M: Machine>(state: &str, event: &M::Event, reliability: Reliability) -> Option<String> {
    let mut machine = M::reach(state, reliability)?;
    let before = machine.clone();
    let mut record = Record::default();
    let taken = machine.step(LATER, event.clone(), &mut record);
    assert!(machine.next().is_none_or(|due| due.at >= START), "no deadline lies in the past");
    Some(match taken {
        Taken::Ignored(why) => {
            assert!(record.0.is_empty(), "{state}: an ignored event has no effect, not {record:?}");
            assert!(machine == before, "{state}: an ignored event changes nothing");
            format!("– ({why})")
        }
        Taken::Yes => {
            let mut words = record.0.join(", ");
            if machine.state_name() != state {
                let _ = write!(words, "{}**{}**", if words.is_empty() { "" } else { "; " }, machine.state_name());
            }
            match machine.next() {
                Some(due) if before.next() != Some(due) => {
                    let _ = write!(words, " ({} in {} ms)", due.timer, due.at - LATER.min(due.at));
                }
                _ => {}
            }
            words
        }
    })
}

fn table<M: Machine>() -> String {
    let mut text = format!("# {}\n\n", M::TITLE);
    text.push_str("Made by `tests/tables.rs` from what the machine does. The next state is **bold**; a dash is an event that is\n");
    text.push_str(
        "ignored, with the reason. Times are of the default timers, for an event 100 ms after the state began.\n",
    );
    for state in M::STATES {
        let _ = write!(text, "\n## {state}\n\n| event | unreliable transport | reliable transport |\n|---|---|---|\n");
        for (name, event) in M::events() {
            let [unreliable, reliable] = [Reliability::Unreliable, Reliability::Reliable]
                .map(|reliability| cell::<M>(state, &event, reliability).unwrap_or_else(|| "no such state".into()));
            let reliable = if reliable == unreliable { "the same".to_owned() } else { reliable };
            let _ = writeln!(text, "| {name} | {unreliable} | {reliable} |");
        }
    }
    text
}

fn compare<M: Machine>(file: &str) {
    let path = format!("{}/tables/{file}.md", env!("CARGO_MANIFEST_DIR"));
    let made = table::<M>();
    if std::env::var_os("DIALPLANE_WRITE_TABLES").is_some() {
        std::fs::write(&path, &made).expect("the folder of tables can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (kept, made)) in kept.lines().zip(made.lines()).enumerate() {
        assert_eq!(kept, made, "{file}.md, line {}", number + 1);
    }
    assert_eq!(kept.lines().count(), made.lines().count(), "{file}.md");
}

type Invite = ClientInvite<&'static str>;

impl Machine for Invite {
    type Event = client_invite::Event;
    const TITLE: &'static str = "INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §7.2)";
    const STATES: &'static [&'static str] = &["Calling", "Proceeding", "Completed", "Accepted", "Terminated"];

    fn reach(state: &str, reliability: Reliability) -> Option<Self> {
        use client_invite::Event;
        let mut record = Record::default();
        let mut machine = Self::new(START, &CONFIG, reliability, "INVITE", &mut record);
        let event = match state {
            "Calling" => return Some(machine),
            "Proceeding" => Event::Provisional,
            "Completed" => Event::Rejection,
            "Accepted" => Event::Success,
            _ => Event::TransportError,
        };
        let _ = machine.on_event(START, event, &CONFIG, &mut record);
        (machine.state() == state).then_some(machine)
    }

    fn events() -> Vec<(&'static str, Self::Event)> {
        let names = ["1xx", "2xx", "3xx–6xx", "Timer A", "Timer B", "Timer D", "Timer M", "transport error"];
        names.into_iter().zip(client_invite::Event::ALL).collect()
    }

    fn step(&mut self, now: u64, event: Self::Event, record: &mut Record) -> Taken {
        self.on_event(now, event, &CONFIG, record)
    }

    fn state_name(&self) -> &'static str {
        self.state()
    }

    fn next(&self) -> Option<Due> {
        self.due()
    }
}

type NonInvite = ClientNonInvite<&'static str>;

impl Machine for NonInvite {
    type Event = client_non_invite::Event;
    const TITLE: &'static str = "Non-INVITE client transaction (RFC 3261 §17.1.2)";
    const STATES: &'static [&'static str] = &["Trying", "Proceeding", "Completed", "Terminated"];

    fn reach(state: &str, reliability: Reliability) -> Option<Self> {
        use client_non_invite::Event;
        let mut record = Record::default();
        let mut machine = Self::new(START, &CONFIG, reliability, "request", &mut record);
        let event = match state {
            "Trying" => return Some(machine),
            "Proceeding" => Event::Provisional,
            "Completed" => Event::Final,
            _ => Event::TransportError,
        };
        let _ = machine.on_event(START, event, &CONFIG, &mut record);
        (machine.state() == state).then_some(machine)
    }

    fn events() -> Vec<(&'static str, Self::Event)> {
        let names = ["1xx", "2xx–6xx", "Timer E", "Timer F", "Timer K", "transport error"];
        names.into_iter().zip(client_non_invite::Event::ALL).collect()
    }

    fn step(&mut self, now: u64, event: Self::Event, record: &mut Record) -> Taken {
        self.on_event(now, event, &CONFIG, record)
    }

    fn state_name(&self) -> &'static str {
        self.state()
    }

    fn next(&self) -> Option<Due> {
        self.due()
    }
}

type Server = ServerInvite<&'static str>;

impl Machine for Server {
    type Event = server_invite::Event<&'static str>;
    const TITLE: &'static str = "INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §7.1)";
    const STATES: &'static [&'static str] = &["Proceeding", "Completed", "Confirmed", "Accepted", "Terminated"];

    fn reach(state: &str, reliability: Reliability) -> Option<Self> {
        use server_invite::Event;
        let mut record = Record::default();
        let mut machine = Self::new(reliability, &mut record);
        let events = match state {
            "Proceeding" => vec![Event::Provisional("180")],
            "Completed" => vec![Event::Rejection("486")],
            "Confirmed" => vec![Event::Rejection("486"), Event::Ack],
            "Accepted" => vec![Event::Success],
            _ => vec![Event::Success, Event::TimerL],
        };
        for event in events {
            let _ = machine.on_event(START, event, &CONFIG, &mut record);
        }
        (machine.state() == state).then_some(machine)
    }

    fn events() -> Vec<(&'static str, Self::Event)> {
        use server_invite::Event;
        vec![
            ("INVITE", Event::Invite),
            ("ACK", Event::Ack),
            ("1xx from above", Event::Provisional("183")),
            ("2xx from above", Event::Success),
            ("3xx–6xx from above", Event::Rejection("404")),
            ("Timer G", Event::TimerG),
            ("Timer H", Event::TimerH),
            ("Timer I", Event::TimerI),
            ("Timer L", Event::TimerL),
            ("transport error", Event::TransportError),
        ]
    }

    fn step(&mut self, now: u64, event: Self::Event, record: &mut Record) -> Taken {
        self.on_event(now, event, &CONFIG, record)
    }

    fn state_name(&self) -> &'static str {
        self.state()
    }

    fn next(&self) -> Option<Due> {
        self.due()
    }
}

type NonServer = ServerNonInvite<&'static str>;

impl Machine for NonServer {
    type Event = server_non_invite::Event<&'static str>;
    const TITLE: &'static str = "Non-INVITE server transaction (RFC 3261 §17.2.2, RFC 4320 §4)";
    const STATES: &'static [&'static str] = &["Trying", "Proceeding", "Completed", "Terminated"];

    fn reach(state: &str, reliability: Reliability) -> Option<Self> {
        use server_non_invite::Event;
        let mut record = Record::default();
        let mut machine = Self::new(START, &CONFIG, reliability);
        let event = match state {
            "Trying" => return Some(machine),
            "Proceeding" => Event::TimerLate,
            "Completed" => Event::Final("200"),
            _ => Event::Silence,
        };
        let _ = machine.on_event(START, event, &CONFIG, &mut record);
        (machine.state() == state).then_some(machine)
    }

    fn events() -> Vec<(&'static str, Self::Event)> {
        use server_non_invite::Event;
        vec![
            ("request", Event::Request),
            ("2xx–6xx from above", Event::Final("404")),
            ("nothing to come from above", Event::Silence),
            ("Timer J", Event::TimerJ),
            ("100 is due", Event::TimerLate),
            ("transport error", Event::TransportError),
        ]
    }

    fn step(&mut self, now: u64, event: Self::Event, record: &mut Record) -> Taken {
        self.on_event(now, event, &CONFIG, record)
    }

    fn state_name(&self) -> &'static str {
        self.state()
    }

    fn next(&self) -> Option<Due> {
        self.due()
    }
}

#[test]
fn client_invite_table() {
    compare::<Invite>("client_invite");
}

#[test]
fn client_non_invite_table() {
    compare::<NonInvite>("client_non_invite");
}

#[test]
fn server_invite_table() {
    compare::<Server>("server_invite");
}

#[test]
fn server_non_invite_table() {
    compare::<NonServer>("server_non_invite");
}

/// Every state is reached, over one transport at least.
#[test]
fn no_state_is_missing() {
    fn reached<M: Machine>() {
        for state in M::STATES {
            let machines = [Reliability::Unreliable, Reliability::Reliable].map(|each| M::reach(state, each));
            assert!(machines.iter().flatten().count() > 0, "{}: {state}", M::TITLE);
        }
    }
    reached::<Invite>();
    reached::<NonInvite>();
    reached::<Server>();
    reached::<NonServer>();
}
