//! The two ways to touch a word that other processes see.
//!
//! In a release build these are the plain atomic operations. In tests they are the places where a writer can be made to
//! die before any one of its stores, and where another process can act between any two loads of a reader: see
//! `tests/` in this folder, which walk through all of them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Reads a shared word.
#[inline(always)]
pub(crate) fn load(word: &AtomicU64, order: Ordering) -> u64 {
    #[cfg(test)]
    hook::before_load();
    word.load(order)
}

/// Writes a shared word.
#[inline(always)]
pub(crate) fn store(word: &AtomicU64, value: u64, order: Ordering) {
    #[cfg(test)]
    hook::before_store();
    word.store(value, order);
}

/// Test only: what a thread does, or suffers, at a chosen access of its own.
#[cfg(test)]
pub(crate) mod hook {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;

    /// What a thread panics with that was told to die.
    pub(crate) struct Died;

    type Action = Box<dyn FnMut()>;

    /// Actions in turn, each after a number of accesses.
    struct Plan(RefCell<VecDeque<(u64, Action)>>);

    impl Plan {
        const fn new() -> Self {
            Self(RefCell::new(VecDeque::new()))
        }

        fn add(&self, accesses: u64, action: Action) {
            self.0.borrow_mut().push_back((accesses, action));
        }

        fn step(&self) {
            let mut plan = self.0.borrow_mut();
            match plan.front_mut() {
                None => {}
                Some((0, _)) => {
                    let due = plan.pop_front();
                    drop(plan);
                    if let Some((_, mut action)) = due {
                        action();
                    }
                }
                Some((left, _)) => *left -= 1,
            }
        }
    }

    thread_local! {
        static STORES: Plan = const { Plan::new() };
        static LOADS: Plan = const { Plan::new() };
        static DEAD: Cell<bool> = const { Cell::new(false) };
    }

    /// This thread dies before the store that follows `stores` others. Its destructors then touch nothing shared.
    pub(crate) fn die_after(stores: u64) {
        before_store_after(stores, || {
            DEAD.set(true);
            std::panic::resume_unwind(Box::new(Died));
        });
    }

    /// Whether this thread has died.
    pub(crate) fn is_dead() -> bool {
        DEAD.get()
    }

    /// `action` runs once, before the store that follows `stores` others (since the action before, if there is one).
    pub(crate) fn before_store_after(stores: u64, action: impl FnMut() + 'static) {
        STORES.with(|plan| plan.add(stores, Box::new(action)));
    }

    /// `action` runs once, before the load that follows `loads` others (since the action before, if there is one).
    pub(crate) fn before_load_after(loads: u64, action: impl FnMut() + 'static) {
        LOADS.with(|plan| plan.add(loads, Box::new(action)));
    }

    /// Takes back what was planned for loads; how much of it was still to come.
    pub(crate) fn clear() -> usize {
        LOADS.with(|plan| plan.0.take()).len()
    }

    /// Takes back what was planned for stores; how much of it was still to come.
    pub(crate) fn clear_stores() -> usize {
        STORES.with(|plan| plan.0.take()).len()
    }

    pub(super) fn before_store() {
        STORES.with(Plan::step);
    }

    pub(super) fn before_load() {
        LOADS.with(Plan::step);
    }
}
