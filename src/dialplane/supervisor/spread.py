"""Spreads the datagrams of one SO_REUSEPORT group over its sockets by Call-ID: a classic BPF program in the kernel.

Without it the kernel picks the socket by a hash of the addresses, so that a carrier which sends from one socket would
load one worker. Spreading at random would load all, but let a 200 overtake its 180. So the messages of one call
(RFC 3261 §8.1.1.4) go to one worker, whichever side they come from, and stay in order. No privilege is needed.

Classic BPF has no loops, so the search for the header field is written out: every sixth place of the first 920
octets is compared with the six windows of four octets in ``CRLF Call-ID``, one of which an occurrence must hit. That
is as far as the 4,096 instructions go that the kernel takes. A message in which it finds nothing (the compact form
``i``, a field further behind) is spread by the address of its sender.
"""

from __future__ import annotations

import ctypes
import socket
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

SO_ATTACH_REUSEPORT_CBPF = 51

# linux/bpf_common.h and linux/filter.h
_LOAD_CONSTANT = 0x00
_LOAD_WORD = 0x20
_LOAD_HALF = 0x28
_LOAD_OCTET_AT_X = 0x50
_LOAD_WORD_AT_X = 0x40
_LOAD_LENGTH = 0x80
_LOAD_MEMORY = 0x60
_LOAD_X_CONSTANT = 0x01
_LOAD_X_MEMORY = 0x61
_STORE = 0x02
_STORE_X = 0x03
_ADD_X = 0x0C
_MULTIPLY = 0x24
_OR = 0x44
_SHIFT_RIGHT = 0x74
_MODULO = 0x94
_EXCLUSIVE_OR_X = 0xAC
_JUMP = 0x05
_JUMP_EQUAL = 0x15
_JUMP_AT_LEAST = 0x35
_A_TO_X = 0x07
_X_TO_A = 0x87
_RETURN_A = 0x16
_NETWORK_HEADER = 0xFFF0_0000  # SKF_NET_OFF

_PATTERN = b"\r\ncall-id"
_WORD = 4
_STRIDE = len(_PATTERN) - _WORD + 1
"""Windows of the pattern, and so the distance at which one of them must be met."""
_LOWER_CASE = 0x2020_2020
_SEARCH_FROM = 5
_SEARCH_TO = 920
_HASHED = 30
"""Octets of the Call-ID that are hashed, at most."""
_PRIME = 0x0100_0193  # FNV
_BASIS = 0x811C_9DC5
_HASH, _PLACE = 0, 1  # words of the scratch memory


class _Step(NamedTuple):
    """An instruction whose jumps may name a label."""

    code: int
    k: int | str = 0
    true: str | None = None
    false: str | None = None


class _Instruction(ctypes.Structure):
    """``struct sock_filter``."""

    _fields_: ClassVar = [
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    ]


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_: ClassVar = [("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction))]


def attach(group: Sequence[socket.socket]) -> OSError | None:
    """Attaches the program to ``group``, whose sockets are bound in the order of the workers. Returns the refusal."""
    instructions = _assemble(_steps(len(group)))
    program = _Program(len(instructions), instructions)
    try:
        # One socket's program serves the whole group.
        group[0].setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, bytes(program))
    except OSError as refusal:
        return refusal
    return None


def _steps(workers: int) -> list[_Step | str]:
    """The program; a text is the label of the instruction behind it."""
    steps: list[_Step | str] = []
    for place in range(_SEARCH_FROM, _SEARCH_TO, _STRIDE):
        following = f"place {place + _STRIDE}"
        steps += [
            f"place {place}",
            # Beyond the end there is nothing to load: that would end the program.
            _Step(_LOAD_LENGTH),
            _Step(_JUMP_AT_LEAST, place + _WORD, None, f"leave {place}"),
            _Step(_LOAD_WORD, place),
            _Step(_OR, _LOWER_CASE),
        ]
        windows = range(_STRIDE)
        for window in windows:
            steps.append(_Step(_JUMP_EQUAL, _word(window), f"window {window} at {place}"))
        steps.append(_Step(_JUMP, following))
        for window in windows:
            steps += [
                f"window {window} at {place}",
                _Step(_LOAD_X_CONSTANT, place - window),
                _Step(_JUMP, "found"),
            ]
        steps += [f"leave {place}", _Step(_JUMP, "by address")]
    steps += [f"place {place + _STRIDE}", _Step(_JUMP, "by address")]
    return steps + _found() + _by_address() + _choose(workers)


def _found() -> list[_Step | str]:
    """Hashes the value of the field that seems to begin at X, unless the name there is another (``Call-Info``)."""
    steps: list[_Step | str] = ["found"]
    for offset in (0, _WORD):
        steps += [
            _Step(_LOAD_WORD_AT_X, offset),
            _Step(_OR, _LOWER_CASE),
            _Step(_JUMP_EQUAL, _word(offset), None, "other field"),
        ]
    steps += [
        _Step(_LOAD_OCTET_AT_X, 8),
        _Step(_OR, 0x20),
        _Step(_JUMP_EQUAL, _PATTERN[8], None, "other field"),
        _Step(_LOAD_OCTET_AT_X, 9),
        _Step(_JUMP_EQUAL, ord(":"), "value", None),
        "other field",
        _Step(_JUMP, "by address"),
        "value",
        _Step(_X_TO_A),
        _Step(0x04, 10),  # add
        _Step(_A_TO_X),
        _Step(_LOAD_OCTET_AT_X, 0),
        _Step(_JUMP_EQUAL, ord(" "), None, "begin"),
        _Step(_X_TO_A),
        _Step(0x04, 1),
        _Step(_A_TO_X),
        "begin",
        _Step(_STORE_X, _PLACE),
        _Step(_LOAD_CONSTANT, _BASIS),
        _Step(_STORE, _HASH),
    ]
    for offset in range(_HASHED):
        steps += [
            _Step(_LOAD_X_MEMORY, _PLACE),
            _Step(_LOAD_OCTET_AT_X, offset),
            _Step(_JUMP_EQUAL, ord("\r"), "mix", None),
            _Step(_A_TO_X),
            _Step(_LOAD_MEMORY, _HASH),
            _Step(_EXCLUSIVE_OR_X),
            _Step(_MULTIPLY, _PRIME),
            _Step(_STORE, _HASH),
        ]
    return [*steps, "mix", _Step(_LOAD_MEMORY, _HASH), _Step(_JUMP, "choose")]


def _by_address() -> list[_Step | str]:
    """A value made of where address and port of the sender stand in an IPv4 header; any octets will do."""
    return [
        "by address",
        _Step(_LOAD_WORD, _NETWORK_HEADER + 12),
        _Step(_A_TO_X),
        _Step(_LOAD_HALF, _NETWORK_HEADER + 20),
        _Step(_MULTIPLY, _PRIME),
        _Step(_ADD_X),
        _Step(_MULTIPLY, _PRIME),
    ]


def _choose(workers: int) -> list[_Step | str]:
    """The high half of the hash is folded into the low one, whose remainder is the worker."""
    return [
        "choose",
        _Step(_A_TO_X),
        _Step(_SHIFT_RIGHT, 15),
        _Step(_EXCLUSIVE_OR_X),
        _Step(_MODULO, workers),
        _Step(_RETURN_A),
    ]


def _word(offset: int) -> int:
    """Four octets of the pattern as a load sees them after :data:`_LOWER_CASE`."""
    return int.from_bytes(_PATTERN[offset : offset + _WORD], "big") | _LOWER_CASE


def _assemble(steps: Sequence[_Step | str]) -> ctypes.Array[_Instruction]:
    """Turns labels into distances."""
    labels: dict[str, int] = {}
    instructions: list[_Step] = []
    for step in steps:
        if isinstance(step, str):
            labels[step] = len(instructions)
        else:
            instructions.append(step)

    def distance(place: int, label: str | None) -> int:
        return 0 if label is None else labels[label] - place - 1

    made = (_Instruction * len(instructions))()
    for place, step in enumerate(instructions):
        k = distance(place, step.k) if isinstance(step.k, str) else step.k
        made[place] = _Instruction(step.code, distance(place, step.true), distance(place, step.false), k)
    return made
