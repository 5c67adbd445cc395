//! One thread's loop: send what is due, receive what is there, check, count.

use crate::net::{End, Net};
use crate::slots::Slots;
use crate::socket::{BATCH, Outbox};
use crate::stats::Stats;
use crate::workload::{Step, Workload};
use std::io;
use std::mem;
use std::time::{Duration, Instant};

/// When exchanges begin.
#[derive(Clone, Copy)]
pub enum Pace {
    /// Closed loop: so many exchanges are always under way.
    Window(usize),
    /// Open loop: so many begin per second and thread, whatever comes back.
    Rate(f64),
}

/// When a phase ends.
#[derive(Clone, Copy)]
pub enum Goal {
    /// After so many exchanges.
    Count(u64),
    /// After so many nanoseconds.
    Time(u64),
}

/// What the loop does while there is nothing to do.
#[derive(Clone, Copy, PartialEq)]
pub enum Idle {
    /// Looks again after so many nanoseconds, without giving up the core: waking the generator up is then no cost of
    /// the server, which on loopback would be charged for it.
    Spin(u64),
    /// Sleeps until something comes, for machines without a core to spare.
    Sleep,
}

/// A thread's way to the server and its state.
pub struct Session {
    workload: Box<dyn Workload>,
    slots: Slots,
    net: Box<dyn Net>,
    outboxes: Vec<Outbox>,
    uas_outbox: Outbox,
    idle: Idle,
    clock: Instant,
    /// The next exchange; numbers of one thread are `step` apart.
    next: u64,
    step: u64,
    limits: Limits,
}

/// How long to wait and how much to say.
#[derive(Clone, Copy)]
pub struct Limits {
    /// An exchange without a sign for this long is lost, in nanoseconds.
    pub patience: u64,
    /// Wrong messages still to be shown.
    pub show: u64,
}

impl Limits {
    /// Prints a refused message, the first few only.
    fn show(&mut self, message: &[u8], reason: &str) {
        if self.show > 0 {
            self.show -= 1;
            eprintln!("wrong: {reason}\n{}", String::from_utf8_lossy(message));
        }
    }
}

impl Session {
    /// `net` with so many senders; `first` is the first exchange number, `step` the distance to the next.
    pub fn new(
        workload: Box<dyn Workload>,
        (net, senders): (Box<dyn Net>, usize),
        pace: Pace,
        idle: Idle,
        (first, step): (u64, u64),
        limits: Limits,
    ) -> Self {
        let capacity = match pace {
            Pace::Window(window) => (window * 4).next_power_of_two(),
            Pace::Rate(_) => 1 << 17,
        };
        Self {
            workload,
            slots: Slots::new(capacity, step),
            outboxes: (0..senders).map(|_| Outbox::default()).collect(),
            net,
            uas_outbox: Outbox::default(),
            idle,
            clock: Instant::now(),
            next: first,
            step,
            limits,
        }
    }

    /// Whether the server gave two exchanges one branch.
    pub fn shares_branches(&self) -> bool {
        self.workload.shares_branches()
    }

    /// Repeats one exchange until it succeeds, so that the server is known to be up. Returns how long that took; `None`
    /// when it had not succeeded after `patience`.
    pub fn wait_for_server(&mut self, patience: Duration) -> io::Result<Option<Duration>> {
        let begun = Instant::now();
        let mut stats = Stats::new();
        while begun.elapsed() < patience && stats.right + stats.wrong == 0 {
            self.begin_one(self.now(), &mut stats);
            self.flush()?;
            let sent = Instant::now();
            while sent.elapsed() < Duration::from_millis(50) && stats.right + stats.wrong == 0 {
                self.receive(&mut stats)?;
                self.flush()?;
                self.rest(self.now());
            }
        }
        // Answers to earlier tries, which waited in the server's socket, must not disturb what is measured.
        let show = mem::take(&mut self.limits.show);
        let waited = begun.elapsed();
        let answered = Instant::now();
        while answered.elapsed() < Duration::from_millis(200) {
            self.receive(&mut Stats::new())?;
            self.flush()?;
            self.rest(self.now());
        }
        self.slots.expire(u64::MAX);
        self.limits.show = show;
        Ok((stats.right > 0).then_some(waited))
    }

    /// Runs one phase.
    pub fn run(&mut self, pace: Pace, goal: Goal) -> io::Result<Stats> {
        let mut stats = Stats::new();
        let start = self.now();
        let mut last = start;
        let patience = self.limits.patience;
        let mut next_expiry = start + patience;
        loop {
            let now = self.now();
            let left = match goal {
                Goal::Count(count) => count - stats.begun,
                Goal::Time(time) if now - start < time => u64::MAX,
                Goal::Time(_) => 0,
            };
            if left == 0 {
                break;
            }
            let begun = self.begin_due(pace, start, now, left, &mut stats);
            self.flush()?;
            let received = self.receive(&mut stats)?;
            if received > 0 {
                last = self.now();
            }
            if let Pace::Window(_) = pace
                && now > next_expiry
            {
                stats.lost += self.slots.expire(now.saturating_sub(patience));
                next_expiry = now + patience / 4;
            }
            if begun == 0 && received < BATCH / 2 {
                let before = self.now();
                self.rest(before);
                stats.idle += self.now() - before;
            }
        }
        last = last.max(self.drain(&mut stats, patience)?);
        stats.lost += self.slots.expire(u64::MAX);
        stats.elapsed = last - start;
        Ok(stats)
    }

    /// Begins what is due at `now`, at most `left`; returns how many.
    fn begin_due(&mut self, pace: Pace, start: u64, now: u64, left: u64, stats: &mut Stats) -> u64 {
        match pace {
            Pace::Window(window) => {
                let room = window.saturating_sub(self.slots.open());
                // Few at a time would cost more system calls than messages; so wait for half a batch, or half a window.
                if room < (BATCH / 2).min(window.div_ceil(2)) {
                    return 0;
                }
                let count = (room.min(BATCH) as u64).min(left);
                for _ in 0..count {
                    self.begin_one(now, stats);
                }
                count
            }
            Pace::Rate(rate) => {
                let due = ((now - start) as f64 * rate / 1e9) as u64 + 1;
                let count = due.saturating_sub(stats.begun).min(BATCH as u64).min(left);
                for _ in 0..count {
                    let intended = start + (stats.begun as f64 * 1e9 / rate) as u64;
                    stats.behind = stats.behind.max(now.saturating_sub(intended));
                    self.begin_one(intended, stats);
                }
                count
            }
        }
    }

    fn begin_one(&mut self, began: u64, stats: &mut Stats) {
        let id = self.next;
        self.next += self.step;
        let copies = self.workload.begin(id, &mut self.outboxes);
        stats.lost += u64::from(self.slots.begin(id, began, copies));
        stats.begun += 1;
        stats.sent += u64::from(copies);
    }

    fn flush(&mut self) -> io::Result<()> {
        self.net.flush(&mut self.outboxes, &mut self.uas_outbox)
    }

    /// Takes some of what has come; returns how many messages.
    fn receive(&mut self, stats: &mut Stats) -> io::Result<usize> {
        let Self { net, workload, slots, outboxes, uas_outbox, clock, limits, .. } = self;
        let hears = workload.hears();
        net.receive(&mut |end, message| {
            let now = clock.elapsed().as_nanos() as u64;
            let step = match end {
                End::Uas => workload.at_uas(message, slots, uas_outbox),
                End::Uac(sender) => workload.at_uac(message, sender, slots, outboxes),
            };
            match step {
                Ok(Step::Continues) => (),
                Ok(Step::Arrived(id)) => {
                    if let Some(began) = slots.arrive(id) {
                        stats.right += 1;
                        if !hears {
                            stats.record(began, now);
                        }
                    }
                }
                Ok(Step::Heard(id)) => {
                    if let Some(slot) = slots.find(id) {
                        stats.record(slot.began, now);
                    }
                }
                Ok(Step::Stray) => {
                    stats.stray += 1;
                    limits.show(message, "nobody waits for this message");
                }
                Err(wrong) => {
                    stats.wrong += 1;
                    if let Some(id) = wrong.exchange {
                        slots.arrive(id);
                    }
                    limits.show(message, &wrong.reason);
                }
            }
        })
    }

    /// Receives until nothing is under way or nothing has come for `silence`; returns when the last message came.
    fn drain(&mut self, stats: &mut Stats, silence: u64) -> io::Result<u64> {
        let mut last = self.now();
        while self.slots.open() > 0 {
            self.flush()?;
            if self.receive(stats)? > 0 {
                last = self.now();
            } else if self.now() - last > silence {
                break;
            } else {
                self.rest(self.now());
            }
        }
        Ok(last)
    }

    fn rest(&mut self, from: u64) {
        match self.idle {
            Idle::Spin(pause) => {
                while self.now() < from + pause {
                    std::hint::spin_loop();
                }
            }
            Idle::Sleep => self.net.wait(),
        }
    }

    /// Nanoseconds since the session began.
    fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }
}
