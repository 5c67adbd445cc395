"""Spreads the datagrams of one SO_REUSEPORT group over its sockets at random, by a classic BPF program in the kernel.

Without it the kernel picks the socket by a hash of the addresses, so that a carrier which sends from one socket would
load one worker. Stateless work may be spread by any key. The program needs no privilege.
"""

from __future__ import annotations

import ctypes
import socket
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

SO_ATTACH_REUSEPORT_CBPF = 51

# linux/bpf_common.h and linux/filter.h
_LOAD_WORD_ABSOLUTE = 0x20
_MODULO_CONSTANT = 0x94
_RETURN_A = 0x16
_RANDOM = 0xFFFF_F000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM


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
    instructions = (_Instruction * 3)(
        _Instruction(_LOAD_WORD_ABSOLUTE, 0, 0, _RANDOM),
        _Instruction(_MODULO_CONSTANT, 0, 0, len(group)),
        _Instruction(_RETURN_A, 0, 0, 0),
    )
    program = _Program(len(instructions), instructions)
    try:
        # One socket's program serves the whole group.
        group[0].setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, bytes(program))
    except OSError as refusal:
        return refusal
    return None
