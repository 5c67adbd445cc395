//! bpf(2): maps, and a program for SO_REUSEPORT groups. Thin: each function is one call of the kernel.
//!
//! Not the aya crate: four commands are all that is needed, and it would bring a loader for ELF and BTF with it.

#![allow(unsafe_code, reason = "named place of docs/architecture.md: bpf(2) has no safe wrapper")]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Kinds of maps (`enum bpf_map_type`).
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum MapKind {
    Array = 2,
    PerCpuArray = 6,
    LruHash = 9,
    ReuseportSockets = 20,
}

const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP: libc::c_int = 1;
const MAP_UPDATE: libc::c_int = 2;
const MAP_DELETE: libc::c_int = 3;
const PROG_LOAD: libc::c_int = 5;
const SK_REUSEPORT: u32 = 21;
const SO_ATTACH_REUSEPORT_EBPF: libc::c_int = 52;

#[repr(C)]
#[derive(Default)]
struct Create {
    kind: u32,
    key: u32,
    value: u32,
    most: u32,
    flags: u32,
    inner: u32,
    node: u32,
    name: [u8; 16],
}

#[repr(C)]
struct Element {
    map: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; 16],
}

/// Makes a map.
pub(super) fn create_map(kind: MapKind, key: u32, value: u32, most: u32) -> io::Result<OwnedFd> {
    let create = Create { kind: kind as u32, key, value, most, name: *b"dialplane\0\0\0\0\0\0\0", ..Create::default() };
    // SAFETY: the attribute has no pointers.
    unsafe { descriptor(MAP_CREATE, &create) }
}

/// Puts `value` at `key`. Both must have the lengths that the map was made with.
pub(super) fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    let element = element(map, key, value.as_ptr() as u64);
    // SAFETY: the kernel reads as many octets of key and value as the map has, see above.
    unsafe { call(MAP_UPDATE, &element) }.map(drop)
}

/// Reads the value at `key` into `value`. Both must have the lengths that the map was made with.
pub(super) fn look_up(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<()> {
    let element = element(map, key, value.as_mut_ptr() as u64);
    // SAFETY: the kernel reads a key and writes a value, see above.
    unsafe { call(MAP_LOOKUP, &element) }.map(drop)
}

/// Takes `key` out.
pub(super) fn remove(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<()> {
    let element = element(map, key, 0);
    // SAFETY: the kernel reads a key, see `update`.
    unsafe { call(MAP_DELETE, &element) }.map(drop)
}

/// Has the kernel check and take a program for SO_REUSEPORT groups; its instructions are those of this machine's order.
pub(super) fn load_program(instructions: &[[u8; 8]]) -> io::Result<OwnedFd> {
    const LICENSE: &CStr = c"Dual MIT/GPL";
    let load = Load {
        kind: SK_REUSEPORT,
        count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel: 0,
        flags: 0,
        name: *b"dialplane\0\0\0\0\0\0\0",
    };
    // SAFETY: `count` instructions of 8 octets, and a text that ends with 0; the kernel only reads them.
    unsafe { descriptor(PROG_LOAD, &load) }
}

/// Has the kernel run `program` for each datagram to the group of `socket`.
pub(super) fn attach(socket: RawFd, program: BorrowedFd<'_>) -> io::Result<()> {
    let value = program.as_raw_fd();
    // SAFETY: the value is one descriptor, which the kernel reads.
    let set = unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            SO_ATTACH_REUSEPORT_EBPF,
            (&raw const value).cast(),
            size_of::<RawFd>() as libc::socklen_t,
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn element(map: BorrowedFd<'_>, key: &[u8], value: u64) -> Element {
    Element { map: map.as_raw_fd() as u32, key: key.as_ptr() as u64, value, flags: 0 }
}

/// # Safety
/// What `attribute` points to must be as the command wants it.
unsafe fn call<T>(command: libc::c_int, attribute: &T) -> io::Result<i32> {
    // SAFETY: the attribute and its size; the rest is the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attribute), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

/// # Safety
/// As [`call`], of a command that makes a descriptor.
unsafe fn descriptor<T>(command: libc::c_int, attribute: &T) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise; the descriptor is new and nobody else's.
    unsafe { Ok(OwnedFd::from_raw_fd(call(command, attribute)?)) }
}
