"""SIPp with our own scenarios, one process for each side of a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .endpoint import SERVER
from .namespace import HOSTS
from .process import Process, ProcessError

_SCENARIOS = Path(__file__).parent / "scenarios"


class Sipp:
    """Starts SIPp for a test; its files lie in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    @contextmanager
    def running(
        self,
        scenario: str,
        host: str,
        *,
        calls: int = 1,
        rate: float = 10,
        seconds: int = 20,
        keys: dict[str, str] | None = None,
        service: str = "bob",
        rows: Sequence[Sequence[str]] = (),
        options: Sequence[str] = (),
        remote: tuple[str, int] = SERVER,
    ) -> Iterator[Process]:
        """One SIPp at a host of the test network, on port 5060; ``rows`` become its injection file."""
        self._count += 1
        folder = self._folder / f"sipp-{self._count}-{scenario}-{host}"
        folder.mkdir(parents=True)
        command = ["sipp", f"{remote[0]}:{remote[1]}", "-sf", str(_SCENARIOS / f"{scenario}.xml")]
        command += ["-i", HOSTS[host], "-p", "5060", "-bind_local", "-mi", HOSTS[host], "-nostdin", "-skip_rlimit"]
        command += ["-m", str(calls), "-r", str(rate), "-timeout", f"{seconds}s", "-timeout_error"]
        command += ["-s", service, "-cid_str", f"{scenario}-%u-%p@%s", "-trace_err", "-error_file", "errors.log"]
        for key, value in {"domain": "example.org", **(keys or {})}.items():
            command += ["-key", key, value]
        if rows:
            (folder / "rows.csv").write_text("\n".join(["SEQUENTIAL", *(";".join(row) for row in rows)]) + "\n")
            command += ["-inf", "rows.csv"]
        with Process(
            [*command, *options], folder / "output.log", folder=folder, environment={"TERM": "dumb"}
        ) as process:
            yield process

    def run(self, scenario: str, host: str, **options: object) -> None:
        """Runs SIPp until its calls are done; a call that failed fails the test."""
        with self.running(scenario, host, **options) as process:  # type: ignore[arg-type]
            finish(process)


def finish(process: Process, *, seconds: float = 30.0) -> None:
    """Waits until every call is done; fails unless each went as its scenario says."""
    status = process.wait(seconds=seconds)
    if status != 0:
        errors = process.log.parent / "errors.log"
        raise ProcessError(
            f"SIPp ({process.log.parent.name}) ended with status {status}\n"
            + (errors.read_text(errors="replace")[-4000:] if errors.exists() else process.text()[-2000:])
        )
