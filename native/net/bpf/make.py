"""Makes steer.hex of steer.c: the digest of the source, then one instruction in each line. Needs clang; nobody who
builds or runs dialplane does.

The loader puts the maps in the places that ``src_reg`` marks (BPF_PSEUDO_MAP_FD); their number is the immediate value.
"""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
COMPILER = ("clang", "-O2", "-target", "bpf", "-mcpu=v3", "-c")
PSEUDO_MAP_FD = 1
SYMBOL, RELOCATION = 24, 16


def sections(elf: bytes) -> dict[str, bytes]:
    """Name and content of each section of a 64-bit little-endian ELF file."""
    (offset,) = struct.unpack_from("<Q", elf, 0x28)
    count, names_at = struct.unpack_from("<HH", elf, 0x3C)
    headers = [struct.unpack_from("<IIQQQQ", elf, offset + 64 * index) for index in range(count)]
    names = elf[headers[names_at][4] :]
    return {
        names[name : names.index(b"\0", name)].decode(): elf[place : place + size]
        for name, _, _, _, place, size in headers
    }


def instructions(elf: bytes) -> list[bytes]:
    """The program, with the number of its map in each instruction that loads one."""
    found = sections(elf)
    code = bytearray(found["sk_reuseport"])
    relocations, symbols = found[".relsk_reuseport"], found[".symtab"]
    for at in range(0, len(relocations), RELOCATION):
        place, info = struct.unpack_from("<QQ", relocations, at)
        (value,) = struct.unpack_from("<Q", symbols, SYMBOL * (info >> 32) + 8)
        code[place + 1] = code[place + 1] & 0x0F | PSEUDO_MAP_FD << 4
        struct.pack_into("<I", code, place + 4, value // 4)
    return [bytes(code[at : at + 8]) for at in range(0, len(code), 8)]


def make(source: Path = FOLDER / "steer.c") -> str:
    """The text of steer.hex."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "steer.o"
        subprocess.run([*COMPILER, str(source), "-o", str(compiled)], check=True)
        lines = [instruction.hex() for instruction in instructions(compiled.read_bytes())]
    return "\n".join([f"# {digest(source)}", *lines, ""])


def digest(source: Path = FOLDER / "steer.c") -> str:
    """By which steer.hex says what it was made of: clang's output differs from version to version."""
    return hashlib.sha256(source.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.stdout.write(make())
