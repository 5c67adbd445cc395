//! A lock between processes in one word, which survives the death of its holder.
//!
//! The word is 0 or the name of the holding thread ([`crate::owner`]). What it guards is held for some hundred
//! nanoseconds, so waiting is spinning, then yielding, then short sleeps; nobody has to be woken, hence nothing is lost
//! when the one who should wake others is killed. A waiter that slept in vain looks whether the holder still lives.

use crate::access::{load, store};
use crate::owner;
use dialplane_core::store::StoreError;
use std::hint::spin_loop;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

/// How a lock was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// From a holder that finished, or from nobody.
    Free,
    /// From a holder that died: what it guards is half-done.
    Orphaned,
}

/// How long a holder may keep others waiting. It only lasts this long when it was stopped (debugger, freezer).
const PATIENCE: Duration = Duration::from_secs(2);
const SPINS: u32 = 200;
const YIELDS: u32 = 20;
const NAP: rustix::thread::Timespec = rustix::thread::Timespec { tv_sec: 0, tv_nsec: 50_000 };

/// Takes the lock.
///
/// # Errors
/// [`StoreError::Busy`] when this very thread holds it, or a living one does not let go of it.
#[inline(always)]
pub(crate) fn acquire(lock: &AtomicU64) -> Result<Acquired, StoreError> {
    let me = owner::me();
    match lock.compare_exchange(0, me, Acquire, Relaxed) {
        Ok(_) => Ok(Acquired::Free),
        Err(_) => wait(lock, me),
    }
}

/// Gives the lock back.
#[inline(always)]
pub(crate) fn release(lock: &AtomicU64) {
    store(lock, 0, Release);
}

#[cold]
fn wait(lock: &AtomicU64, me: u64) -> Result<Acquired, StoreError> {
    let mut rounds = 0;
    let mut since = None;
    loop {
        let holder = load(lock, Relaxed);
        if holder == me {
            return Err(StoreError::Busy);
        }
        if holder == 0 {
            if lock.compare_exchange_weak(0, me, Acquire, Relaxed).is_ok() {
                return Ok(Acquired::Free);
            }
            continue;
        }
        rounds += 1;
        if rounds < SPINS {
            spin_loop();
        } else if rounds < SPINS + YIELDS {
            rustix::thread::sched_yield();
        } else {
            if rounds % YIELDS == SPINS % YIELDS {
                if !owner::is_alive(holder) && lock.compare_exchange(holder, me, Acquire, Relaxed).is_ok() {
                    return Ok(Acquired::Orphaned);
                }
                if since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return Err(StoreError::Busy);
                }
            }
            // Interrupted or not, the loop looks again.
            let _ = rustix::thread::nanosleep(&NAP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn one_at_a_time() {
        let lock = Arc::new(AtomicU64::new(0));
        let count = Arc::new(AtomicU64::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (lock, count) = (Arc::clone(&lock), Arc::clone(&count));
                std::thread::spawn(move || {
                    for _ in 0..5_000 {
                        assert_eq!(acquire(&lock), Ok(Acquired::Free));
                        // Not one atomic step: two at a time would lose counts.
                        let seen = count.load(Relaxed);
                        spin_loop();
                        count.store(seen + 1, Relaxed);
                        release(&lock);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no thread fails");
        }
        assert_eq!(count.load(Relaxed), 20_000);
    }

    #[test]
    fn taken_from_the_dead_once() {
        let lock = Arc::new(AtomicU64::new(0));
        let theirs = Arc::clone(&lock);
        std::thread::spawn(move || acquire(&theirs)).join().expect("ends with the lock held").expect("free before");
        assert_eq!(acquire(&lock), Ok(Acquired::Orphaned));
        release(&lock);
        assert_eq!(acquire(&lock), Ok(Acquired::Free));
    }

    #[test]
    fn not_twice_by_one_thread() {
        let lock = AtomicU64::new(0);
        assert_eq!(acquire(&lock), Ok(Acquired::Free));
        assert_eq!(acquire(&lock), Err(StoreError::Busy));
    }
}
