//! The kernel's part: an eBPF program that picks the worker for a datagram by its Call-ID, and drops what banned sources send
//! before it is queued. RFC 3261 §8.1.1.4.
//!
//! The program is `native/net/bpf/steer.c`; its instructions lie beside it and are part of this crate, so neither a compiler nor
//! a file is needed to load it. Where the kernel refuses, `supervisor/spread.py` has another one that needs no
//! privilege; whatever they pick, [`dialplane_core::spread`] decides.

mod bpf;

use crate::clock;
use crate::udp::adopt;
use bpf::MapKind;
use dialplane_core::guard::{Ban, Source};
use dialplane_core::time::Now;
use serde::Deserialize;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};

const PROGRAM: &str = include_str!("../../bpf/steer.hex");

/// `struct settings`: workers, whether anybody is banned.
const SETTINGS: u32 = 8;
/// `struct buffer`.
const BUFFER: u32 = 2048 + 64 + 8;
/// As many as the shared table has; the kernel forgets the one that was asked for longest ago.
const BANS: u32 = 16_384;
const FIRST: [u8; 4] = [0; 4];
/// BPF_LD | BPF_IMM | BPF_DW, and the mark of a map in it.
const LOAD_LONG: u8 = 0x18;
const IS_MAP: u8 = 1;

/// The maps that all groups of sockets share. The programs belong to the sockets.
#[derive(Debug)]
pub struct Steering {
    bans: Bans,
    dropped: OwnedFd,
}

impl Steering {
    /// Loads a program for each group of sockets, which are bound in the order of the workers.
    ///
    /// # Errors
    /// The kernel's refusal: no privilege (CAP_BPF and CAP_NET_ADMIN), or older than 5.3.
    pub fn attach(groups: &[Vec<RawFd>]) -> io::Result<Self> {
        let settings = bpf::create_map(MapKind::Array, 4, SETTINGS, 1)?;
        let bans = bpf::create_map(MapKind::LruHash, 8, 8, BANS)?;
        let buffers = bpf::create_map(MapKind::PerCpuArray, 4, BUFFER, 1)?;
        let dropped = bpf::create_map(MapKind::Array, 4, 8, 1)?;
        let workers = groups.first().map_or(0, Vec::len) as u32;
        let bans = Bans { bans, settings, workers };
        bans.set(false)?;
        for group in groups {
            let sockets = bpf::create_map(MapKind::ReuseportSockets, 4, 8, workers.max(1))?;
            for (worker, &socket) in (0_u32..).zip(group) {
                bpf::update(sockets.as_fd(), &worker.to_ne_bytes(), &(socket as u64).to_ne_bytes())?;
            }
            let maps = [&bans.settings, &bans.bans, &sockets, &buffers, &dropped].map(|map| map.as_raw_fd());
            let program = bpf::load_program(&instructions(&maps))?;
            if let Some(&socket) = group.first() {
                bpf::attach(socket, program.as_fd())?;
            }
        }
        Ok(Self { bans, dropped })
    }

    /// Takes over the maps of a supervisor that was replaced: the descriptors that [`Self::descriptors`] gave, and the number
    /// of workers.
    ///
    /// # Errors
    /// The system's error when one is not open.
    pub fn inherit([bans, settings, dropped]: [RawFd; 3], workers: u32) -> io::Result<Self> {
        Ok(Self { bans: Bans::new(&Boot { bans, settings, workers })?, dropped: adopt(dropped)? })
    }

    /// The maps, for whoever inherits them: bans, settings, dropped datagrams.
    #[must_use]
    pub fn descriptors(&self) -> [RawFd; 3] {
        [&self.bans.bans, &self.bans.settings, &self.dropped].map(|map| map.as_raw_fd())
    }

    /// Who is banned.
    #[must_use]
    pub fn bans(&self) -> &Bans {
        &self.bans
    }

    /// Datagrams of banned sources that were dropped.
    ///
    /// # Errors
    /// The system's error.
    pub fn dropped(&self) -> io::Result<u64> {
        let mut count = [0; 8];
        bpf::look_up(self.dropped.as_fd(), &FIRST, &mut count)?;
        Ok(u64::from_ne_bytes(count))
    }
}

/// What the supervisor hands to a worker.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// Map of the bans.
    pub bans: RawFd,
    /// Map of the settings.
    pub settings: RawFd,
    /// Number of workers.
    pub workers: u32,
}

/// Who is banned, as the program sees it.
#[derive(Debug)]
pub struct Bans {
    bans: OwnedFd,
    settings: OwnedFd,
    workers: u32,
}

impl Bans {
    /// Takes over the descriptors.
    ///
    /// # Errors
    /// The system's error when one is not open.
    pub fn new(boot: &Boot) -> io::Result<Self> {
        Ok(Self { bans: adopt(boot.bans)?, settings: adopt(boot.settings)?, workers: boot.workers })
    }

    /// Drops what this source sends from now on.
    ///
    /// # Errors
    /// The system's error.
    pub fn ban(&self, ban: &Ban, now: Now) -> io::Result<()> {
        // The kernel's clock of a program is the monotonic one.
        let left_ns = ban.until_ms.saturating_sub(now.unix_ms).saturating_mul(1_000_000);
        let until_ns = (now.monotonic_ms * 1_000_000).saturating_add(left_ns);
        bpf::update(self.bans.as_fd(), &ban.source.word().to_ne_bytes(), &until_ns.to_ne_bytes())?;
        self.set(true)
    }

    /// Drops it no longer.
    ///
    /// # Errors
    /// The system's error.
    pub fn lift(&self, source: Source) -> io::Result<()> {
        match bpf::remove(self.bans.as_fd(), &source.word().to_ne_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Says whether anybody is banned, so that nobody is looked for while there is none.
    ///
    /// # Errors
    /// The system's error.
    pub fn set(&self, has_bans: bool) -> io::Result<()> {
        let mut settings = [0; SETTINGS as usize];
        settings[..4].copy_from_slice(&self.workers.to_ne_bytes());
        settings[4..].copy_from_slice(&u32::from(has_bans).to_ne_bytes());
        bpf::update(self.settings.as_fd(), &FIRST, &settings)
    }

    /// Takes over all bans of the shared table.
    ///
    /// # Errors
    /// The system's error.
    pub fn fill(&self, bans: impl Iterator<Item = Ban>) -> io::Result<()> {
        let now = clock::now();
        bans.into_iter().try_for_each(|ban| self.ban(&ban, now))
    }
}

/// The program with its maps in it.
fn instructions(maps: &[RawFd]) -> Vec<[u8; 8]> {
    let read = |line: &str| u64::from_str_radix(line, 16).unwrap_or_default().to_be_bytes();
    // The first line is the digest of the source.
    let mut instructions: Vec<[u8; 8]> = PROGRAM.lines().skip(1).map(read).collect();
    for instruction in &mut instructions {
        let [code, registers, _, _, number, ..] = *instruction;
        if code == LOAD_LONG && registers >> 4 == IS_MAP {
            let map = maps.get(usize::from(number)).copied().unwrap_or(-1);
            instruction[4..].copy_from_slice(&map.to_ne_bytes());
        }
    }
    instructions
}
