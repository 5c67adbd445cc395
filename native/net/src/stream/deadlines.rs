//! When to look at a connection again. Moving a deadline back costs nothing: it is looked up when the earlier one comes.

use dialplane_core::path::ConnectionId;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One entry for most connections, whatever happens on them.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(u64, ConnectionId)>>,
}

/// What a connection keeps about its deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// Milliseconds of the monotonic clock.
    at: u64,
    /// Its earliest entry in the heap.
    entry: u64,
}

impl Default for Deadline {
    fn default() -> Self {
        Self { at: u64::MAX, entry: u64::MAX }
    }
}

impl Deadlines {
    /// Sets the deadline of a connection.
    pub(crate) fn set(&mut self, id: ConnectionId, deadline: &mut Deadline, at: u64) {
        deadline.at = at;
        if at < deadline.entry {
            deadline.entry = at;
            self.heap.push(Reverse((at, id)));
        }
    }

    /// A connection whose deadline may have come; ask [`Self::has_come`].
    pub(crate) fn poll(&mut self, now_ms: u64) -> Option<(u64, ConnectionId)> {
        let Reverse((entry, _)) = self.heap.peek()?;
        if *entry > now_ms {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Whether the deadline of a connection that [`Self::poll`] named has come.
    pub(crate) fn has_come(&mut self, entry: u64, id: ConnectionId, deadline: &mut Deadline, now_ms: u64) -> bool {
        if entry != deadline.entry {
            return false;
        }
        deadline.entry = u64::MAX;
        if deadline.at <= now_ms {
            return true;
        }
        let at = deadline.at;
        self.set(id, deadline, at);
        false
    }

    /// When to poll again.
    pub(crate) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((entry, _))| *entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_wish_counts() {
        let mut deadlines = Deadlines::default();
        let mut deadline = Deadline::default();
        let id = ConnectionId(7);
        let due = |deadlines: &mut Deadlines, deadline: &mut Deadline, now| {
            let mut come = 0;
            while let Some((entry, id)) = deadlines.poll(now) {
                come += usize::from(deadlines.has_come(entry, id, deadline, now));
            }
            come
        };
        deadlines.set(id, &mut deadline, 100);
        for at in 101..200 {
            deadlines.set(id, &mut deadline, at);
        }
        assert_eq!(deadlines.heap.len(), 1, "later wishes cost nothing");
        assert_eq!(due(&mut deadlines, &mut deadline, 150), 0);
        assert_eq!(deadlines.next(), Some(199));
        deadlines.set(id, &mut deadline, 160);
        assert_eq!(due(&mut deadlines, &mut deadline, 159), 0);
        assert_eq!(due(&mut deadlines, &mut deadline, 160), 1, "an earlier wish is kept");
        assert_eq!(due(&mut deadlines, &mut deadline, 1000), 0, "and comes once");
        deadlines.set(id, &mut deadline, 2000);
        assert_eq!(due(&mut deadlines, &mut deadline, 2000), 1);
    }
}
