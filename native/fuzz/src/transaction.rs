//! Bodies for the transaction machines: octets are a sequence of events. RFC 3261 §17, RFC 6026.

use dialplane_transaction::{
    ClientInvite, ClientNonInvite, Due, Reliability, ServerInvite, ServerNonInvite, Sink, Taken, TimerConfig,
};
use dialplane_transaction::{Failure, client_invite, client_non_invite, server_invite, server_non_invite};

/// Counts what a machine wants.
#[derive(Default)]
struct Counter {
    effects: usize,
    failures: usize,
}

impl Sink<u8> for Counter {
    fn send(&mut self, _: &u8) {
        self.effects += 1;
    }

    fn pass(&mut self) {
        self.effects += 1;
    }

    fn acknowledge(&mut self, request: &u8) -> u8 {
        *request
    }

    fn trying(&mut self) {
        self.effects += 1;
    }

    fn fail(&mut self, _: Failure) {
        self.failures += 1;
    }
}

/// Any events in any order, timers when they are due: deadlines never lie in the past of the machine's own clock, what has ended stays ended
/// and says nothing more, the user is told of a failure once at most, and left alone the machine ends.
macro_rules! machine {
    ($name:ident, $module:ident, |$sink:ident, $config:ident, $reliability:ident| $new:expr, [$($event:expr),* $(,)?], $waits:expr) => {
        fn $name(steps: &[u8], $reliability: Reliability) {
            let $config = &TimerConfig::default();
            let mut counter = Counter::default();
            let mut machine = {
                let $sink = &mut counter;
                $new
            };
            let mut now = 0;
            for step in steps {
                let events = [$($event),*];
                let event = match events.into_iter().nth(usize::from(*step >> 4)) {
                    Some(event) => Some(event),
                    None => {
                        let due: Option<Due> = machine.due();
                        now = due.map_or(now, |due| now.max(due.at));
                        due.and_then(|due| $module::Event::of(due.timer))
                    }
                };
                let Some(event) = event else { continue };
                let ended = machine.is_terminated();
                let before = counter.effects + counter.failures;
                let taken = machine.on_event(now, event, $config, &mut counter);
                if ended {
                    assert!(matches!(taken, Taken::Ignored(_)) && machine.is_terminated());
                    assert_eq!(before, counter.effects + counter.failures, "what has ended says nothing");
                }
                assert!(counter.failures <= 1, "one failure");
                assert!(machine.due().is_none() || !machine.is_terminated());
            }
            for _ in 0..200 {
                let Some(due) = machine.due() else { break };
                now = now.max(due.at);
                let event = $module::Event::of(due.timer).expect("a timer of this machine");
                let _ = machine.on_event(now, event, $config, &mut counter);
            }
            assert!(machine.is_terminated() || $waits(&machine), "left alone it ends, or waits for its user: {}", machine.state());
        }
    };
}

machine!(
    client_invite_machine,
    client_invite,
    |sink, config, reliability| ClientInvite::new(0, config, reliability, 1, sink),
    [
        client_invite::Event::Provisional,
        client_invite::Event::Success,
        client_invite::Event::Rejection,
        client_invite::Event::TransportError,
    ],
    |machine: &ClientInvite<u8>| machine.is_proceeding()
);

machine!(
    client_non_invite_machine,
    client_non_invite,
    |sink, config, reliability| ClientNonInvite::new(0, config, reliability, 1, sink),
    [client_non_invite::Event::Provisional, client_non_invite::Event::Final, client_non_invite::Event::TransportError,],
    |_: &ClientNonInvite<u8>| false
);

machine!(
    server_invite_machine,
    server_invite,
    |sink, _config, reliability| ServerInvite::new(reliability, sink),
    [
        server_invite::Event::Invite,
        server_invite::Event::Ack,
        server_invite::Event::Provisional(1),
        server_invite::Event::Success,
        server_invite::Event::Rejection(2),
        server_invite::Event::TransportError,
    ],
    |machine: &ServerInvite<u8>| machine.is_proceeding()
);

machine!(
    server_non_invite_machine,
    server_non_invite,
    |_sink, config, reliability| ServerNonInvite::new(0, config, reliability),
    [
        server_non_invite::Event::Request,
        server_non_invite::Event::Final(1),
        server_non_invite::Event::Silence,
        server_non_invite::Event::TransportError,
    ],
    |machine: &ServerNonInvite<u8>| machine.is_open()
);

/// All machines over the same octets.
pub fn transactions(data: &[u8]) {
    let Some((first, steps)) = data.split_first() else { return };
    let steps = &steps[..steps.len().min(256)];
    let reliability = if first & 1 == 0 { Reliability::Unreliable } else { Reliability::Reliable };
    client_invite_machine(steps, reliability);
    client_non_invite_machine(steps, reliability);
    server_invite_machine(steps, reliability);
    server_non_invite_machine(steps, reliability);
}
