//! CANCEL: of the caller, and of branches that lost. RFC 3261 §9, §16.10, §16.7 step 10, RFC 3326 (Reason).

use super::wire::Wire;
use super::{Client, Contexts, Desk, Kept, reliability};
use crate::counter::Counter;
use crate::respond::Answer;
use crate::store::Store;
use crate::turn::{Step, Turn};
use dialplane_syntax::{HeaderId, Method, parse};
use dialplane_transaction::derived;
use dialplane_transaction::table::Part;
use dialplane_transaction::{ClientNonInvite, Due, SlotId, Timer};

/// CANCEL of a branch.
#[derive(Debug)]
pub(crate) enum Cancel {
    No,
    /// With these lines, as soon as a provisional response has come (§9.1).
    Wanted(Kept),
    Sent(ClientNonInvite<Kept>),
}

impl Cancel {
    pub(super) fn due(&self) -> Option<Due> {
        match self {
            Self::No | Self::Wanted(_) => None,
            Self::Sent(machine) => machine.due(),
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        match self {
            Self::No | Self::Wanted(_) => true,
            Self::Sent(machine) => machine.is_terminated(),
        }
    }
}

impl<S: Store> Turn<'_, '_, S> {
    /// The caller hangs up. §16.10: answered for itself, and sent on.
    ///
    /// The CANCEL needs no transaction of its own: its 200 is the same each time it is asked for.
    pub(super) fn cancelled(&mut self, id: SlotId) -> Step {
        let begin = self.out.len();
        if let Step::Send(to) = self.respond(Answer { status: 200, ..Answer::default() }) {
            self.queue(begin, to);
        }
        let mut lines = Vec::new();
        for reason in self.message.all(HeaderId::REASON) {
            lines.extend_from_slice(b"Reason: ");
            lines.extend_from_slice(reason.value);
            lines.extend_from_slice(b"\r\n");
        }
        if let Some(context) = self.contexts.table.get_mut(id)
            && context.server.is_open()
            && !context.cancelled
        {
            self.work.counters.count(Counter::Cancelled);
            let mut desk = self.desk();
            desk.cancel_open(id, &lines);
            desk.settle(id);
            self.contexts.arm(id);
        }
        Step::Done
    }
}

impl<S: Store> Desk<'_, S> {
    /// Cancels every branch that has no final response, and tries nothing more.
    pub(super) fn cancel_open(&mut self, id: SlotId, lines: &[u8]) {
        let Some(context) = self.contexts.table.get_mut(id) else { return };
        context.cancelled = true;
        context.targets.clear();
        context.waits = None;
        for place in 0..context.branches.len() {
            let branch = self.contexts.table.get_mut(id).and_then(|context| context.branches.get_mut(place));
            let Some(branch) = branch else { continue };
            // §9.1: only INVITE can be cancelled.
            if let (Client::Invite(machine), Cancel::No) = (&branch.client, &branch.cancel)
                && machine.request().is_some()
            {
                branch.cancel = Cancel::Wanted(lines.into());
                if machine.is_proceeding() {
                    self.send_cancel(id, place);
                }
            }
        }
    }

    /// Sends the CANCEL that a branch wants; it has had a provisional response.
    pub(super) fn send_cancel(&mut self, id: SlotId, place: usize) {
        let now = self.now.monotonic_ms;
        let Contexts { table, outputs, timers, spare, .. } = &mut *self.contexts;
        let branch = table.get_mut(id).and_then(|context| context.branches.get_mut(place));
        let Some(branch) = branch else { return };
        let (Client::Invite(machine), Cancel::Wanted(lines)) = (&branch.client, &branch.cancel) else { return };
        let Some(invite) = machine.request().and_then(|bytes| parse(bytes, spare, &self.snapshot.limits).ok()) else {
            return;
        };
        let mut cancel = Vec::new();
        derived::push_cancel(&invite, lines, &mut cancel);
        let mut wire = Wire::new(self.out, outputs, branch.to);
        let machine = ClientNonInvite::new(now, timers, reliability(&branch.to), cancel.into(), &mut wire);
        branch.cancel = Cancel::Sent(machine);
        // §9.1: without a final response after 64·T1 the branch counts as cancelled.
        branch.timer_c = now + timers.value(Timer::B, reliability(&branch.to));
        let key = branch.key(Method::Cancel);
        table.bind(key, id, Part(place as u16 + 1));
        self.work.counters.count(Counter::CancelsSent);
    }
}

/// Reason of a CANCEL for a branch that lost to this status. RFC 3326 §2.
pub(super) fn reason(status: u16) -> Kept {
    let text = match status {
        200..300 => "Call completed elsewhere",
        _ => dialplane_syntax::reason_phrase(status),
    };
    let cause = if status < 300 { 200 } else { status };
    format!("Reason: SIP;cause={cause};text=\"{text}\"\r\n").into_bytes().into()
}
