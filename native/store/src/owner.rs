//! Who holds a lock: a thread, named so that nobody else is ever taken for it.
//!
//! A thread number alone is reused by the kernel, so the name has the start time as well. The thread counts and not the
//! process: a killed process of several threads is a zombie while one of them may still be running its last instructions.

use std::cell::Cell;
use std::fs;
use std::io;

/// Bits of a thread number (`/proc/sys/kernel/pid_max` is at most 2²²).
const TID_BITS: u32 = 22;

thread_local! {
    static ME: Cell<u64> = const { Cell::new(0) };
}

/// Name of this thread, never 0.
///
/// A process made by `fork` without `exec` inherits the name of the thread that forked: open the store after the fork.
#[inline(always)]
pub(crate) fn me() -> u64 {
    match ME.get() {
        0 => name_me(),
        name => name,
    }
}

/// Whether `/proc` tells what [`is_alive`] has to know.
///
/// # Errors
/// What the kernel says.
pub(crate) fn check() -> io::Result<()> {
    start_of("thread-self")?.map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Whether the thread of that name can still run. When it cannot be found out, it is taken to be alive.
#[cold]
pub(crate) fn is_alive(owner: u64) -> bool {
    let tid = owner & ((1 << TID_BITS) - 1);
    match start_of(&tid.to_string()) {
        // Without a start time (see `name_me`) there is only the number to go by.
        Ok(Some(start)) => owner >> TID_BITS == 0 || name(tid, start) == owner,
        Ok(None) => false,
        Err(_) => true,
    }
}

#[cold]
fn name_me() -> u64 {
    let tid = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
    let start = start_of("thread-self").ok().flatten().unwrap_or(0);
    let name = name(u64::from(tid), start);
    // Where the file could not be opened for want of descriptors, the next time may do better.
    if start > 0 {
        ME.set(name);
    }
    name
}

fn name(tid: u64, start: u64) -> u64 {
    start << TID_BITS | tid
}

/// Start time in clock ticks since boot; `None` when the thread is gone or will never run again.
fn start_of(tid: &str) -> io::Result<Option<u64>> {
    let text = match fs::read(format!("/proc/{tid}/stat")) {
        Ok(text) => text,
        // ESRCH: it ended between opening and reading.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(3) => return Ok(None),
        Err(error) => return Err(error),
    };
    // The second field is the name in parentheses and may hold anything; proc_pid_stat(5) counts the state as field 3
    // and the start time as field 22.
    let text = String::from_utf8_lossy(&text);
    let mut fields = text.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
    let ended = matches!(fields.next(), None | Some("Z" | "X" | "x"));
    let start = fields.nth(18).and_then(|field| field.parse().ok());
    Ok(if ended { None } else { start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_alive_until_it_ends() {
        assert!(is_alive(me()));
        let other = std::thread::spawn(me).join().expect("the thread only asks for its name");
        assert_ne!(other, me());
        // The kernel may let go of a joined thread a moment later.
        while is_alive(other) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_reused_number_is_not_the_same_thread() {
        let earlier = name(me() & ((1 << TID_BITS) - 1), 1);
        assert!(!is_alive(earlier));
    }

    #[test]
    fn one_who_could_not_read_his_start_time_is_not_taken_for_dead() {
        assert!(is_alive(name(me() & ((1 << TID_BITS) - 1), 0)));
    }

    #[test]
    fn a_killed_child_is_dead_before_it_is_reaped() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().expect("sleep is on every machine");
        let start = start_of(&child.id().to_string()).expect("readable").expect("running");
        let owner = name(u64::from(child.id()), start);
        assert!(is_alive(owner));
        child.kill().expect("our own child");
        while is_alive(owner) {
            std::thread::yield_now();
        }
        child.wait().expect("our own child");
        assert!(!is_alive(owner));
    }
}
