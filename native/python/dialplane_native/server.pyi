"""What the processes of the dialplane server call: worker, configuration check, shared store, counters, tables.

Times are seconds since 1970. Text that came from the network is decoded as UTF-8 with ``errors="replace"``. Nothing
here logs; what is to be logged goes over the control channel of the worker.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Self, final

from dialplane_native.errors import DatabaseError as DatabaseError
from dialplane_native.errors import StoreError as StoreError
from dialplane_native.records import Binding, Credentials, IdRange, SqlValue, WorkerCounters

__all__ = [
    "Connection",
    "DatabaseError",
    "Steering",
    "Store",
    "StoreError",
    "check",
    "compile_table",
    "config_fields",
    "counter_names",
    "counters",
    "explain",
    "record_id",
    "run_worker",
]

def run_worker(boot: bytes, control_fd: int) -> int:
    """Runs the engine until it is told to stop; the GIL is released meanwhile. Returns the exit status (0: as told).

    ``boot`` is JSON::

        {"config": {…},               // effective configuration, every field present, ``server.data`` absolute
         "worker": 0,                 // own index
         "workers": 2,                // number of workers
         "listeners": [[0, 7], …],    // [index in config.listen, descriptor: inherited, bound, non-blocking socket]
         "data": "/var/lib/…",        // folder of the shared store
         "counters": "/var/lib/…"}    // folder of the mapped counter pages; the page of worker 0 is "0.counters"

    ``control_fd`` is one end of a ``SOCK_SEQPACKET`` pair; each message is one JSON object.

    To the worker: ``{"reload": CONFIG}``; CONFIG is the effective configuration, or, when it would not fit into one
    message (above 64 KiB), a string: the path of a file that holds it as JSON. ``{"stop": GRACE}``: read what is
    queued and no more, finish, return within GRACE seconds. End of file (the supervisor died) means ``{"stop": 1}``.

    From the worker: ``{"ready": true}`` once, when it reads its sockets. ``{"reloaded": true}`` when the new
    configuration is in force, ``{"refused": [[PATH, PROBLEM], …]}`` when the old one stays. ``{"log": {"event": TEXT,
    "level": "debug" | "info" | "warning" | "error", …}}`` at any time; user parts and numbers in it are already
    redacted.

    Raises :class:`StoreError`, :class:`ValueError` (bad ``boot``) or :class:`OSError` before it is ready.
    """

def check(config_json: bytes) -> list[tuple[str, str]]:
    """Compiles the configuration as a worker would. Returns ``(path, problem)`` pairs; empty when it is good.

    A path is dotted with indices as numbers: ``route.3.uri``. ``config_json`` is the effective configuration.
    """

def config_fields() -> dict[str, list[str]]:
    """Structs of the configuration and the names of their fields, for a test that compares them with ``config.py``."""

def explain(config_json: bytes, data_folder: str, message: bytes, source: str) -> bytes:
    """What the engine would do with ``message`` from ``source`` (``udp:192.0.2.7:5060``), by the production code path.

    Sends nothing and changes nothing in the store. Returns JSON::

        {"verdict": "forward" | "reply" | "drop" | "handled",
         "rule": INDEX | null, "name": TEXT,        // the rule of config.route that decided
         "steps": [TEXT, …],                        // what was looked at, in order, for people
         "targets": [{"uri": TEXT, "to": "udp:HOST:PORT" | null, "why": TEXT}, …],
         "sends": [{"to": "udp:HOST:PORT", "message": BASE64}, …]}

    Raises :class:`ValueError` when ``message`` is not SIP or ``source`` is not an address.
    """

def record_id(username: str, domain: str) -> int:
    """``id`` of the first binding of an address-of-record: 2**62, plus 54 bits of a hash, times 256.

    At least 2**62, so that rows which others wrote (they count from 1) are told apart. The hash is the first 54 bits of
    SHA-256 over ``username@domain`` in the canonical form that the store uses.
    """

def counters(folder: str) -> list[WorkerCounters]:
    """Reads all mapped pages in ``folder``, by worker index. Pages that are being made are left out."""

def counter_names() -> list[tuple[str, str]]:
    """Name and one-line help of each counter, in the order of the mapped page."""

def compile_table(csv: str, dpt: str, progress: Callable[[int, int], None] | None = None) -> int:
    """Compiles a number table from the CSV file ``csv`` into ``dpt`` (replaced whole). Returns the number of entries.

    ``progress(octets_done, octets_in_all)`` is called now and then. Raises :class:`ValueError` with the line of the
    first bad row, :class:`OSError` for the files.
    """

@final
class Connection:
    """A connection to a SQLite file, which is made when it is missing. Raises :class:`DatabaseError`.

    A process that has such a connection may not open the same file with another copy of SQLite (:mod:`sqlite3`): their
    locks belong to the process, so that they would not keep out each other, and closing one would unlock the other.
    """

    def __new__(cls, path: str, patience: float) -> Self:
        """``patience``: how many seconds to wait for a lock of another process."""

    def query(self, sql: str, values: Iterable[SqlValue] | None = None) -> list[tuple[Any, ...]]:
        """Runs one statement and returns its rows."""

    def write(self, sql: str, rows: Iterable[Iterable[SqlValue]]) -> int:
        """Runs one statement for each row of values. Returns how many rows of tables it changed; those that triggers
        changed are not counted.
        """

    def script(self, sql: str) -> None:
        """Runs statements without values."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun and has not ended."""

    def close(self) -> None:
        """Closes it, when who uses it has finished. May be called again."""

@final
class Steering:
    """The kernel's program that picks the worker for each datagram, and drops what banned sources send.

    ``groups`` are descriptors of datagram sockets, for each address those of its workers in their order. Raises
    :class:`OSError` where the kernel refuses the program (no privilege, or too old).
    """

    def __new__(cls, groups: Sequence[Sequence[int]]) -> Self: ...
    @staticmethod
    def inherit(descriptors: Sequence[int], workers: int) -> Steering:
        """Takes over what :meth:`descriptors` gave in a process that was replaced."""

    def descriptors(self) -> list[int]:
        """Maps for whoever inherits them: bans, settings, dropped datagrams."""

    def dropped(self) -> int:
        """Datagrams dropped since the start."""

    def ban(self, address: str, seconds: float) -> None:
        """Drops what the source of ``address`` sends, for ``seconds``."""

    def lift(self, address: str) -> None:
        """Drops it no longer."""

@final
class Store:
    """The shared store of one host. ``role`` says what this process does with it.

    ``supervisor`` creates or repairs it (and discards it after a power failure), ``control`` mirrors and sweeps it,
    ``reader`` only looks. ``listeners`` are the addresses of ``config.listen`` in their order: the column ``socket`` of
    a binding is taken from them, and found again among them by :meth:`restore`. Several threads may use one store.
    """

    def __new__(
        cls,
        folder: str,
        role: Literal["supervisor", "control", "reader"],
        listeners: Sequence[str] | None = None,
    ) -> Self: ...
    @property
    def discarded(self) -> bool:
        """The contents were given up because the machine went down without a clean stop: bindings and credentials
        have to be restored from the database. Stays true until :meth:`restored` is called.
        """

    @property
    def given_up(self) -> str | None:
        """Why the contents that were there could not be used; ``None`` when they are used, or there were none."""

    def restored(self) -> None:
        """The database has been read back: :attr:`discarded` is false from now on, for all processes."""

    def mirror(self, on: bool) -> None:
        """Says whether changes are to be noted for a database from now on. Off when the store is new."""

    def changes(self, urgent: bool, limit: int) -> tuple[object, list[IdRange], list[Binding]]:
        """All present bindings of about ``limit`` addresses-of-record that changed and were not acknowledged.

        Gives a token for :meth:`acknowledge` first. With ``urgent``, only those with a new, moved or removed binding;
        without, also those with nothing but a refresh. For each of which the number of bindings may have shrunk, the
        range says which ``id`` behind the last binding must not be in the database. To get all: acknowledge and ask
        again until both lists are empty. What changes again before it is acknowledged comes again.
        """

    def acknowledge(self, token: object) -> None:
        """What :meth:`changes` gave with ``token`` is in the database."""

    def write_changes(self, database: Connection, urgent: bool, limit: int) -> tuple[int, int]:
        """Writes what :meth:`changes` would give into ``location`` of ``database``; acknowledges it once it is on the
        disk. Returns the numbers of rows and of addresses-of-record; the latter is 0 when nothing changed.
        """

    def backlog(self) -> tuple[int, int]:
        """Number of changed addresses-of-record not yet acknowledged: urgent, and others."""

    def sweep(self, now: float, limit: int) -> int:
        """Removes at most ``limit`` bindings that ended before ``now``. Returns how many were removed."""

    def bindings(self, cursor: bytes | None, limit: int) -> tuple[bytes | None, list[Binding]]:
        """A page of all bindings, about ``limit`` long (an address-of-record is not split), in no order worth knowing.

        Begin with ``None``; a returned cursor of ``None`` says that it was the last page.
        """

    def lookup(self, username: str, domain: str) -> list[Binding]:
        """Bindings of one address-of-record, best q first."""

    def restore(self, rows: Sequence[Binding]) -> int:
        """Puts bindings back that came from the database. Leaves addresses-of-record alone that have bindings by now.

        The rows of one address-of-record come in one call. Returns how many bindings were put back.
        """

    def put_credentials(
        self,
        user: str,
        realm: str,
        md5: str | None,
        sha256: str | None,
        sha512_256: str | None,
        md5_domain: str | None = None,
    ) -> None:
        """Sets the digests (hexadecimal) of ``user`` in ``realm``; ``None`` for those that are not known.

        ``md5_domain`` is Kamailio's ``ha1b``: of ``user@domain:realm:password``, for phones that send the whole address
        as user name.
        """

    def remove_credentials(self, user: str, realm: str) -> bool:
        """Forgets the digests of ``user`` in ``realm``. Returns whether there were any."""

    def credentials(self, cursor: bytes | None, limit: int) -> tuple[bytes | None, list[Credentials]]:
        """A page of the keys of all credentials. Cursor as in :meth:`bindings`."""

    def sizes(self) -> dict[str, int]:
        """``bindings`` (addresses-of-record), ``credentials``, ``bans``, ``octets`` (used of the mapped files)."""

    def bans(self) -> list[tuple[str, float, str]]:
        """Bans in force: source (an address, or the /64 of an IPv6 address), Unix time of the end, reason."""

    def ban(self, address: str, seconds: float) -> str:
        """Bans the source that ``address`` belongs to, for ``seconds``. Returns its name."""

    def tell_bans(self, steering: Steering) -> None:
        """Tells the kernel's program of all bans."""

    def lift(self, address: str) -> str | None:
        """Ends the ban of the source that ``address`` belongs to. Returns its name; ``None`` when it was not banned."""

    def targets(self, config_json: bytes) -> bytes:
        """How the targets of all sets of an effective configuration do: a JSON list of objects with ``set``, ``uri``,
        ``state`` (``up``, ``down``, ``ejected``, ``drained``), ``until`` (Unix time when an ejection ends), ``priority``,
        ``weight``, ``calls`` and ``latency`` (seconds; each ``null`` where the set does not measure it)."""

    def drain(self, uri: str, on: bool) -> None:
        """Lets the target with this URI get no new calls, or (``on`` false) again."""

    def close(self, clean: bool = False) -> None:
        """Closes the store. ``clean`` (supervisor, last of all): written to disk, kept over a boot."""
