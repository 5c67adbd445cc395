"""What can go wrong for the person at the terminal: one line and an exit status, never a traceback.

The statuses are those of ``sysexits.h``, so that systemd shows their names and a unit can say which are not worth a
restart (``RestartPreventExitStatus=CONFIG``).
"""

from __future__ import annotations

import enum
from typing import ClassVar


class ExitStatus(enum.IntEnum):
    """Exit statuses of the command line. Listed in ``docs/operations.md``; a test compares the two."""

    OK = 0
    FAILED = 1
    """``dialplane bench``: more failed than is allowed, or the generator could not keep up."""
    USAGE = 2
    """The command was not understood (typer's own status)."""
    DATA = 65
    """Input that cannot be used: a dump that is none, a message that is not SIP, a bad address."""
    NO_INPUT = 66
    """A file that is named does not exist or cannot be read."""
    NO_USER = 67
    """No such user or address-of-record."""
    UNAVAILABLE = 69
    """The server is not running, does not answer, or could not start its workers."""
    INTERNAL = 70
    """A fault of dialplane itself."""
    SYSTEM = 71
    """A socket or process could not be made: address in use, too many files."""
    CANNOT_CREATE = 73
    """The data folder or a file in it cannot be written: no permission, no room."""
    LOCKED = 75
    """Another server uses the data folder."""
    REFUSED = 77
    """The other side refused: a call, message or registration; the status of its response is on standard error."""
    CONFIG = 78
    """The configuration has problems, or the running server refused it."""


class DialplaneError(Exception):
    """Anything dialplane raises on purpose. ``str()`` is one line for the operator."""

    status: ClassVar[ExitStatus] = ExitStatus.INTERNAL


class DataError(DialplaneError):
    """Input that cannot be used."""

    status = ExitStatus.DATA


class MissingFileError(DialplaneError):
    """A file that is named does not exist or cannot be read."""

    status = ExitStatus.NO_INPUT


class UnknownUserError(DialplaneError):
    """No such user."""

    status = ExitStatus.NO_USER


class UnavailableError(DialplaneError):
    """The server is not there, or not able to serve."""

    status = ExitStatus.UNAVAILABLE


class SystemResourceError(DialplaneError):
    """The kernel refused a socket or a process."""

    status = ExitStatus.SYSTEM


class WriteError(DialplaneError):
    """Something cannot be written."""

    status = ExitStatus.CANNOT_CREATE


class LockedError(DialplaneError):
    """Another server holds the data folder."""

    status = ExitStatus.LOCKED
