"""Facts about the machine and the versions, for the raw results."""

from __future__ import annotations

import gzip
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def facts() -> dict[str, object]:
    """What someone needs to know to judge or repeat a measurement."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "virtual": "hypervisor" in _cpu_flags(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "mitigations": _mitigations(),
        "kernel": platform.release(),
        "irq_time_accounting": _irq_time_accounting(),
        "load_average": os.getloadavg(),
        "receive_buffer_limit": receive_buffer_limit(),
        "python": platform.python_version(),
        "rustc": version("rustc", "--version"),
        "cc": version("cc", "--version"),
        "commit": version("git", "-C", str(ROOT), "rev-parse", "HEAD"),
        "changed_files": len(version("git", "-C", str(ROOT), "status", "--porcelain").splitlines()),
    }


def receive_buffer_limit() -> int:
    """Octets that a socket may ask for, ``net.core.rmem_max``."""
    return int(_read("/proc/sys/net/core/rmem_max") or 212_992)


def version(*command: str) -> str:
    """First lines that ``command`` prints; empty when it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    text = done.stdout.strip()
    return text if "status" in command else text.partition("\n")[0]


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _cpu_model() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _cpu_flags() -> list[str]:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            return line.split()
    return []


def _mitigations() -> list[str]:
    folder = Path("/sys/devices/system/cpu/vulnerabilities")
    found = ((path.name, _read(str(path))) for path in sorted(folder.glob("*")))
    return [f"{name}: {text}" for name, text in found if text and text != "Not affected"]


def _irq_time_accounting() -> bool | None:
    """Whether softirq time is taken out of the threads' time; ``None`` when the kernel does not tell its options."""
    try:
        text = gzip.decompress(Path("/proc/config.gz").read_bytes()).decode()
    except OSError:
        text = _read(f"/boot/config-{platform.release()}")
    return "CONFIG_IRQ_TIME_ACCOUNTING=y" in text if text else None
