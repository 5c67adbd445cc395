//! Health of targets, on the engine's side: sends what the prober wants and hands it what comes back. RFC 3261 §11.

use crate::counter::{Counter, Counters};
use crate::keys::Keys;
use crate::names::Names;
use crate::path::{ConnectionId, ListenerId, Path};
use crate::proxy::branch::{self, Origin};
use crate::proxy::hop::{Found, Seek, find};
use crate::proxy::response::Returned;
use crate::routing::probe::{Outcome, Poll, Probe, ProbeId, Prober, note_answer};
use crate::snapshot::Snapshot;
use crate::store::TargetHealth;
use dialplane_syntax::Message;
use std::net::{Ipv4Addr, SocketAddr};

/// Where the answer to a request of our own goes: nowhere.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Appends the next question that is due to `out` and says where it goes; `Err` with the time of the next one when none is.
pub(crate) fn poll_send<H: TargetHealth>(
    prober: &mut Prober,
    now_ms: u64,
    snapshot: &Snapshot,
    health: &H,
    names: &mut Names,
    counters: &mut Counters,
    out: &mut Vec<u8>,
) -> Result<Path, Option<u64>> {
    loop {
        let probe = match prober.poll(now_ms, health) {
            Poll::Wait(until) => return Err(until),
            Poll::Ended { outcome, .. } => {
                if outcome == Outcome::Dead {
                    counters.count(Counter::ProbesFailed);
                }
                continue;
            }
            Poll::Send(probe) => probe,
        };
        // A name that is not resolved yet will be when the question is sent again.
        let seek = Seek { hop: probe.hop, preferred: ListenerId(0), tried: &[], is_large: false, chance: || 0 };
        if let Found::Path { to, .. } = find(seek, snapshot, names, now_ms)
            && let Some(listener) = snapshot.listeners.get(usize::from(to.listener.0))
        {
            counters.count(Counter::ProbesSent);
            let via = &listener.texts(to.transport).via;
            let mut via = via.strip_prefix(b"Via: ").unwrap_or(via).to_vec();
            push_branch(&probe, &snapshot.keys, to.listener, &mut via);
            via.extend_from_slice(b";rport");
            let local = [&listener.host[..], b":", listener.port.to_string().as_bytes()].concat();
            probe.write(&via, &local, out);
            return Ok(to);
        }
    }
}

/// Takes a response whose only Via is ours. Returns whether it answers a question.
pub(crate) fn handle_response(
    message: &Message<'_>,
    returned: &Returned<'_>,
    keys: &Keys,
    health: &impl TargetHealth,
    scratch: &mut Vec<u8>,
) -> bool {
    let (Ok(call_id), Ok(cseq), Ok(from), Some(status)) =
        (message.call_id(), message.cseq(), message.from(), message.status())
    else {
        return false;
    };
    let origin = own(call_id, from.tag().unwrap_or_default(), cseq.number, returned.ours.listener);
    match ProbeId::read(call_id, cseq.number) {
        Some(id) if returned.ours.is_authentic(keys, &origin, scratch) => {
            note_answer(id, status, health);
            true
        }
        _ => false,
    }
}

fn push_branch(probe: &Probe<'_>, keys: &Keys, listener: ListenerId, out: &mut Vec<u8>) {
    let (mut call_id, mut tag) = (Vec::new(), Vec::new());
    probe.write_call_id(&mut call_id);
    probe.write_tag(&mut tag);
    branch::push(keys, &own(&call_id, &tag, probe.id.sequence, listener), None, 0, &mut Vec::new(), out);
}

/// Origin of a request that we made ourselves.
fn own<'b>(call_id: &'b [u8], from_tag: &'b [u8], cseq: u32, listener: ListenerId) -> Origin<'b> {
    let connection = ConnectionId(0);
    Origin { branch: b"", sent_by: b"", from_tag, call_id, cseq, reply_to: NOWHERE, listener, connection }
}
