//! Both machines cell by cell, and the prober on a clock of its own.

use super::*;
use crate::path::Transport;
use crate::routing::RouteTable;
use crate::routing::tests::config;
use crate::testing::MemoryHealth;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

fn settings(failures: u32, successes: u32) -> ProbeSettings {
    ProbeSettings {
        interval_ms: 10_000,
        timeout_ms: 2000,
        failures,
        successes,
        accept: [200, 404][..].into(),
        from_uri: None,
    }
}

/// Compares with the table under review; `DIALPLANE_WRITE_TABLES=1` writes it instead.
fn compare_with_file(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tables").join(name);
    if std::env::var_os("DIALPLANE_WRITE_TABLES").is_some() {
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("the tree can be written");
        std::fs::write(&path, made).expect("the tree can be written");
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(reviewed == made, "{} differs; DIALPLANE_WRITE_TABLES=1 writes this:\n{made}", path.display());
}

#[test]
fn every_state_and_event_is_as_reviewed() {
    let mut text = String::from(
        "# Probing of targets\n\nWritten by a test from `native/core/src/routing/probe`; a change of behaviour is a change here.\n\n\
         ## One question (RFC 3261 §17.1.2)\n\nTimes from the step on; interval 10 s, timeout 2 s, the question sent 0.5 s before the step.\n\n",
    );
    ask_table(&mut text, "UDP", None);
    ask_table(&mut text, "TCP, TLS, WebSocket", Some(Transport::Tcp));
    text.push_str("## Liveness\n\n");
    liveness_table(&mut text, 3, 2);
    liveness_table(&mut text, 1, 1);
    compare_with_file("probe.md", &text);
}

const NOW: u64 = 1_000_000;

fn ask_table(text: &mut String, title: &str, transport: Option<Transport>) {
    let events = [
        Event::Due,
        Event::Provisional,
        Event::Final(Outcome::Alive),
        Event::Final(Outcome::Dead),
        Event::TimerE,
        Event::TimerF,
    ];
    let (next, resend, end) = (NOW + 9500, NOW, NOW + 1500);
    let states = [
        ("Idle", Ask::Idle { due: NOW }),
        ("Trying", Ask::Trying { next, resend, interval: 500, end }),
        ("Proceeding", Ask::Proceeding { next, resend, end }),
    ];
    writeln!(text, "### {title}\n\n| | {} |", events.map(|event| format!("{event:?}")).join(" | ")).expect("a string");
    writeln!(text, "|---|{}", "---|".repeat(events.len())).expect("a string");
    for (name, state) in states {
        let cell = |event| {
            let mut after = state;
            match after.on_event(NOW, event, &settings(3, 2), transport) {
                Effect::Nothing if after == state => "–".to_owned(),
                effect => format!("{}, {effect:?}", show(after)),
            }
        };
        writeln!(text, "| {name} | {} |", events.map(cell).join(" | ")).expect("a string");
    }
    text.push('\n');
}

fn show(state: Ask) -> String {
    let after = |time: u64| format!("+{} ms", time - NOW);
    match state {
        Ask::Idle { due } => format!("Idle, due {}", after(due)),
        Ask::Trying { resend, end, .. } => format!("Trying, E {}, F {}", after(resend), after(end)),
        Ask::Proceeding { resend, end, .. } => format!("Proceeding, E {}, F {}", after(resend), after(end)),
    }
}

fn liveness_table(text: &mut String, failures: u32, successes: u32) {
    writeln!(text, "### {failures} failures, {successes} successes\n\n| | Alive | Dead |\n|---|---|---|")
        .expect("a string");
    let failing = (1..failures).map(Liveness::Failing);
    let recovering = (1..successes).map(Liveness::Recovering);
    let states = [Liveness::Unknown, Liveness::Up].into_iter().chain(failing).chain([Liveness::Down]).chain(recovering);
    for state in states {
        let cell = |outcome| {
            let mut after = state;
            match after.on_outcome(outcome, &settings(failures, successes)) {
                Change::None if after == state => "–".to_owned(),
                Change::None => format!("{after:?}"),
                change => format!("{after:?}, {change:?}"),
            }
        };
        writeln!(text, "| {state:?} | {} | {} |", cell(Outcome::Alive), cell(Outcome::Dead)).expect("a string");
    }
    text.push('\n');
}

fn table(targets: &[&str], probe: Value) -> RouteTable {
    let sets = json!([{"name": "set", "targets": targets, "probe": probe}]);
    RouteTable::build(&config(json!([]), sets, &[]), &HashMap::new()).expect("the set of a test is right")
}

fn probe_config() -> Value {
    json!({"interval": 10.0, "timeout": 2.0, "failures": 3, "successes": 2, "accept": [200, 404], "from_uri": null})
}

/// A prober with its page and clock, and what it did.
struct World {
    prober: Prober,
    health: MemoryHealth,
    now: u64,
    log: Vec<String>,
    last: Option<ProbeId>,
}

impl World {
    fn new(table: &RouteTable) -> Self {
        let (health, now) = (MemoryHealth::default(), 5000);
        let mut prober = Prober::new(77);
        prober.reload(now, table, &health);
        Self { prober, health, now, log: Vec::new(), last: None }
    }

    /// Lets time pass from timer to timer until `until`; each question sent is answered with `status`, if there is one.
    fn run(&mut self, until: u64, status: Option<u16>) -> &mut Self {
        loop {
            let now = self.now;
            match self.prober.poll(now, &self.health) {
                Poll::Send(probe) => {
                    self.log.push(format!("{now} send {}", probe.id.sequence - 77));
                    self.last = Some(probe.id);
                    if let Some(status) = status {
                        note_answer(probe.id, status, &self.health);
                    }
                }
                Poll::Ended { outcome, change, .. } => self.log.push(format!("{now} {outcome:?} {change:?}")),
                Poll::Wait(Some(time)) if time <= until => self.now = time,
                Poll::Wait(_) => {
                    self.now = until;
                    return self;
                }
            }
        }
    }

    fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    fn is_up(&self, table: &RouteTable, index: usize) -> bool {
        self.health.read(table.target_sets()[0].targets()[index].identity.0) & DOWN == 0
    }
}

#[test]
fn a_target_that_falls_silent_goes_down_and_comes_back() {
    let table = table(&["sip:192.0.2.1"], probe_config());
    let mut world = World::new(&table);
    assert_eq!(world.run(15_000, Some(200)).log(), ["5000 send 1", "5500 Alive None", "15000 send 2"]);
    // The answer that was on its way is taken; then silence, with the retransmissions of Timer E.
    world.run(35_000, None);
    let quiet = ["15500 Alive None", "25000 send 3", "25500 send 3", "26500 send 3", "27000 Dead None", "35000 send 4"];
    assert_eq!(world.log(), quiet);
    world.run(50_000, None);
    assert!(!world.is_up(&table, 0));
    assert_eq!(world.log().last().map(String::as_str), Some("47000 Dead WentDown"));
    assert_eq!(world.prober.states().map(|(_, liveness)| liveness).collect::<Vec<_>>(), [Liveness::Down]);
    world.run(60_000, Some(404));
    assert!(!world.is_up(&table, 0), "two answers bring it up again");
    world.run(66_000, Some(404));
    assert!(world.is_up(&table, 0));
    assert_eq!(world.log(), ["55000 send 6", "55500 Alive None", "65000 send 7", "65500 Alive CameUp"]);
}

#[test]
fn another_final_status_is_a_failure_and_a_provisional_one_is_none() {
    let table = table(&["sip:192.0.2.1"], probe_config());
    let mut world = World::new(&table);
    assert_eq!(world.run(14_999, Some(503)).log(), ["5000 send 1", "5500 Dead None"]);
    // RFC 3261 §17.1.2.2: in Proceeding, Timer E is T2, which is longer than this timeout.
    assert_eq!(world.run(24_999, Some(100)).log(), ["15000 send 2", "17000 Dead None"]);
}

#[test]
fn a_late_or_foreign_answer_is_none() {
    let table = table(&["sip:192.0.2.1"], probe_config());
    let mut world = World::new(&table);
    world.run(16_000, None);
    let asked = world.last.expect("asked");
    note_answer(ProbeId { sequence: asked.sequence - 1, ..asked }, 200, &world.health);
    world.run(17_000, None);
    let log = world.log();
    assert_eq!(log.last().map(String::as_str), Some("17000 Dead None"), "{log:?}");
    note_answer(asked, 200, &world.health);
    assert_eq!(world.run(24_999, None).log(), [""; 0], "the question has ended");
}

#[test]
fn streams_are_not_asked_twice() {
    let table = table(&["sip:192.0.2.1;transport=tcp"], probe_config());
    assert_eq!(World::new(&table).run(14_999, None).log(), ["5000 send 1", "7000 Dead None"]);
}

#[test]
fn a_timeout_above_the_interval_makes_no_second_question() {
    let mut probe = probe_config();
    probe["interval"] = json!(0.5);
    let table = table(&["sip:192.0.2.1;transport=tcp"], probe);
    assert_eq!(
        World::new(&table).run(9000, None).log(),
        ["5000 send 1", "7000 Dead None", "7000 send 2", "9000 Dead None", "9000 send 3"]
    );
}

#[test]
fn the_first_questions_are_spread() {
    let table = table(&["sip:192.0.2.1", "sip:192.0.2.2", "sip:192.0.2.3", "sip:192.0.2.4"], probe_config());
    let log = World::new(&table).run(5999, None).log();
    let first: Vec<_> = log.iter().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(first, ["5000", "5250", "5500", "5500", "5750", "5750"], "the second of each time is Timer E");
}

#[test]
fn a_reload_keeps_what_is_known() {
    let (a, b, c) = ("sip:192.0.2.1", "sip:192.0.2.2", "sip:192.0.2.3");
    let before = table(&[a, b], probe_config());
    let mut world = World::new(&before);
    world.run(50_000, None);
    assert!(!world.is_up(&before, 0) && !world.is_up(&before, 1));
    // a is probed no more, b still is, c is new.
    let sets = json!([
        {"name": "set", "targets": [a, b]},
        {"name": "probed", "targets": [b, c], "probe": probe_config()},
    ]);
    let after = RouteTable::build(&config(json!([]), sets, &[]), &HashMap::new()).expect("right");
    world.prober.reload(world.now, &after, &world.health);
    let states: Vec<_> = world.prober.states().map(|(_, liveness)| liveness).collect();
    assert_eq!(states, [Liveness::Down, Liveness::Unknown]);
    assert!(world.is_up(&after, 0), "whom nobody probes is up");
    assert!(!world.is_up(&after, 1));
    // A new process finds who is down on the page.
    let mut successor = Prober::new(78);
    successor.reload(world.now, &after, &world.health);
    assert_eq!(successor.states().map(|(_, liveness)| liveness).collect::<Vec<_>>(), states);
    let empty = RouteTable::build(&config(json!([]), json!([]), &[]), &HashMap::new()).expect("right");
    successor.reload(world.now, &empty, &world.health);
    assert!(matches!(successor.poll(u64::MAX, &world.health), Poll::Wait(None)));
}

#[test]
fn mistakes_in_the_settings() {
    for (field, value, expected) in [
        ("interval", json!(0.0), "target_set[0].probe.interval: 0 is not from 0.1"),
        ("interval", json!(1e9), "target_set[0].probe.interval:"),
        ("timeout", json!(-1.0), "target_set[0].probe.timeout: -1"),
        ("timeout", json!(33.0), "target_set[0].probe.timeout: 33"),
        ("failures", json!(0), "target_set[0].probe.failures: 0"),
        ("successes", json!(1001), "target_set[0].probe.successes: 1001"),
        ("accept", json!([]), "target_set[0].probe.accept: without"),
        ("accept", json!([200, 100]), "target_set[0].probe.accept[1]: 100"),
        ("from_uri", json!("tel:+49"), "target_set[0].probe.from_uri: \"tel:+49\""),
    ] {
        let mut probe = probe_config();
        probe[field] = value;
        let sets = json!([{"name": "set", "targets": ["sip:192.0.2.1"], "probe": probe}]);
        let errors = RouteTable::build(&config(json!([]), sets, &[]), &HashMap::new()).expect_err(expected);
        let found: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.path, error.problem)).collect();
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}, expected {expected:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes and whenever: the page says down exactly in the states that are down, changes take turns, and enough outcomes
    /// in a row always decide.
    #[test]
    fn the_page_says_what_the_machine_says(outcomes in vec(any::<bool>(), 1..60), failures in 1u32..5, successes in 1u32..5) {
        let settings = settings(failures, successes);
        let mut liveness = Liveness::Unknown;
        let (mut down, mut row) = (false, (0, false));
        for alive in outcomes {
            row = if row.1 == alive { (row.0 + 1, alive) } else { (1, alive) };
            match liveness.on_outcome(if alive { Outcome::Alive } else { Outcome::Dead }, &settings) {
                Change::None => {}
                Change::CameUp => {
                    prop_assert!(down && row == (successes, true));
                    down = false;
                }
                Change::WentDown => {
                    prop_assert!(!down && row == (failures, false));
                    down = true;
                }
            }
            prop_assert_eq!(down, matches!(liveness, Liveness::Down | Liveness::Recovering(_)));
            if row.0 >= if alive { successes } else { failures } {
                prop_assert_eq!(down, !alive);
            }
        }
    }

    /// Timers never stand still: each poll at the time it asked for leads further.
    #[test]
    fn time_goes_on(statuses in vec(prop::sample::select(&[None, Some(100), Some(200), Some(503)][..]), 1..30)) {
        let table = table(&["sip:192.0.2.1", "sip:192.0.2.2;transport=tcp"], probe_config());
        let mut world = World::new(&table);
        for status in statuses {
            let until = world.now + 1700;
            world.run(until, status);
            prop_assert!(world.log().len() < 12);
        }
    }
}
