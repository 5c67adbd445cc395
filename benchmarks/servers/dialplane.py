"""dialplane, by its command line: ``dialplane serve bench.toml``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import version
from benchmarks.servers import DOMAIN, HOST, PORT, UAS_PORT, Job, Server, ServerError

if TYPE_CHECKING:
    from benchmarks.workloads import Workload


class Dialplane(Server):
    """As installed: bindings in the shared store and, behind it, in SQLite."""

    bindings = True

    name = "dialplane"
    about = "one worker, bindings in the shared store and written behind to SQLite each second"
    deferred = 2.0

    def __init__(self, program: str) -> None:
        self._program = program

    def version(self) -> str:
        return version(self._program, "--version").removeprefix("dialplane ")

    def supports(self, workload: Workload) -> bool:
        return bool(workload.dialplane)

    def command(self, job: Job) -> list[str]:
        config = job.folder / "bench.toml"
        first = not config.exists()
        config.write_text(self.config(job))
        if first and job.workload.digest:
            self._import(job, config)
        return [self._program, "serve", str(config)]

    def config(self, job: Job) -> str:
        """The configuration file for this workload."""
        quote = json.dumps
        digest = "true" if job.workload.digest else "false"
        # Whoever is trusted is not challenged.
        trusted = "[]" if job.workload.digest else f'["{HOST}/32"]'
        algorithm = quote(job.workload.digest or "MD5")
        text = [
            f'domains = ["{DOMAIN}"]',
            f'[server]\nworkers = {job.workers}\ndata = {quote(str(job.folder / "data"))}\nname = ""',
            'log_level = "error"',
            *self._listen(job),
            f'[auth]\nrealm = "{DOMAIN}"\nalgorithms = [{algorithm}]\nregister = {digest}\ncalls = false',
            '[registrar]\nnat = "never"',
            f"[proxy]\nrecord_route = {json.dumps(job.workload.record_route)}\ntrusted = {trusted}",
            f"[database]\nbindings = {quote(self.bindings)}\nurgent = 1.0\nrefresh = 1.0",
            '[admin]\naddress = ""',
        ]
        rules = {
            "forward": f'[[route]]\nforward = "sip:{HOST}:{UAS_PORT}"',
            "call": f'[[route]]\nforward = "sip:{HOST}:{UAS_PORT}"\nmode = "stateful"',
            "streams": f'[[route]]\nforward = "sip:{HOST}:{UAS_PORT};transport=tcp"',
            "redirect": '[[route]]\nmethods = ["INVITE"]\nredirect = { lookup = true }',
            "table": '[[route]]\nmethods = ["INVITE"]\nredirect = { table = "numbers" }',
        }
        if job.workload.dialplane == "rules":
            text += [self._prefixes(number) for number in range(job.workload.users)]
        if job.workload.dialplane == "table":
            numbers = job.data.table(job.workload.users)
            text.append(f'[[table]]\nname = "numbers"\nfile = {quote(str(numbers))}')
        if rule := rules.get(job.workload.dialplane):
            text.append(rule)
        return "\n".join(text) + "\n"

    @staticmethod
    def _listen(job: Job) -> list[str]:
        """What it listens on; a port for TCP takes WebSockets too. Connections wait for their first message."""
        transport = job.workload.transport
        if transport == "udp":
            return [f'[[listen]]\naddress = "udp:{HOST}:{PORT}"']
        patience = "[connections]\nfirst = 60.0"
        if transport != "tls":
            return [patience, f'[[listen]]\naddress = "tcp:{HOST}:{PORT}"']
        chain, key = job.data.certificate()
        return [
            patience,
            f'[[listen]]\naddress = "tls:{HOST}:{PORT}"',
            f'[[listen]]\naddress = "tcp:{HOST}:{PORT + 1}"',
            f"[[certificate]]\nchain = {json.dumps(str(chain))}\nkey = {json.dumps(str(key))}",
        ]

    @staticmethod
    def _prefixes(number: int) -> str:
        """A rule with a thousand prefixes; a thousand such rules cover each number that is called."""
        prefixes = json.dumps([f"+493{number:03}{last:03}" for last in range(1000)])
        return f'[[route]]\nprefixes = {prefixes}\nforward = "sip:{HOST}:{UAS_PORT}"'

    def _import(self, job: Job, config: Path) -> None:
        """Brings the subscribers in, from a file with Kamailio's table."""
        source = job.data.subscriber_database(job.workload.users)
        command = [self._program, "users", "import", str(source), "--config", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise ServerError(f"users import: {done.stderr or done.stdout}")


class DialplaneMemory(Dialplane):
    """Bindings in the store and not in the database: they survive the death of any process, not a power cut."""

    bindings = False

    name = "dialplane-nodb"
    about = "one worker, bindings in the shared store only"
    deferred = 0.0

    def supports(self, workload: Workload) -> bool:
        return bool((workload.durable or workload.digest) and workload.dialplane)


def find_dialplane() -> str:
    """dialplane beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("dialplane")
    return str(beside) if beside.exists() else shutil.which("dialplane") or "dialplane"
