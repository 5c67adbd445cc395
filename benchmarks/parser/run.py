"""Measures the parsers side by side: python -m benchmarks.parser.run [--render | --times | --check]
[--language LANGUAGE ...].

Time is the least of many batches; instructions are the difference of two runs under valgrind, divided by the rounds
between. The results go to results/native.tsv; with --render the committed ones become the tables of docs/parser.md. For
Cython the dialplane_native that is installed is measured: it has to be a release build, as `make build` makes it.

With --check the instructions of dialplane alone are counted and compared with the committed ones: exit status 1 when
they have grown by more than three per cent.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results" / "native.tsv"
DOCUMENT = ROOT / "docs" / "parser.md"
MESSAGES = ("options", "invite", "invite-4k")
LANGUAGES = ("Rust", "C", "Cython")
LEVELS = ("index", "typical", "every")
C_PEERS = {"libosip2": ("osip.c", "libosip2"), "sofia-sip": ("sofia.c", "sofia-sip-ua")}
#: Of a run that is counted: more where an interpreter starts first, which never takes the same instructions twice.
ROUNDS = {"Cython": 5_000}
OURS = ("dialplane", "dialplane-syntax")
#: By how much the instructions may grow before --check complains.
TOLERANCE = 0.03


Key = tuple[str, str, str, str]
"""Language, library, message, level."""


@dataclass(frozen=True)
class Row:
    """What one library took for one message."""

    language: str
    library: str
    version: str
    message: str
    level: str
    nanoseconds: float
    instructions: int


@dataclass(frozen=True)
class Program:
    """A command that takes FILE LEVEL [ROUNDS]."""

    language: str
    library: str
    version: str
    command: tuple[str, ...]

    def measure(self, message: str, level: str, known: dict[Key, int]) -> Row | None:
        """A row; ``None`` when the library refuses the message. What is known is not counted once more."""
        timed = subprocess.run(self.line(message, level), capture_output=True, text=True, check=False)
        if timed.returncode:
            return None
        counted = known.get((self.language, self.library, message, level)) or self.count(message, level)
        return Row(self.language, self.library, self.version, message, level, float(timed.stdout), counted)

    def count(self, message: str, level: str) -> int:
        line, rounds = self.line(message, level), ROUNDS.get(self.language, 500)
        return (_count([*line, str(2 * rounds)]) - _count([*line, str(rounds)])) // rounds

    def line(self, message: str, level: str) -> list[str]:
        return [*self.command, str(HERE / "messages" / f"{message}.sip"), level]


def _count(command: list[str]) -> int:
    valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    settings = {**os.environ, "PYTHONHASHSEED": "0"}
    said = subprocess.run([*valgrind, *command], capture_output=True, text=True, check=True, env=settings).stderr
    found = re.search(r"I\s+refs:\s+([\d,]+)", said)
    if found is None:
        raise RuntimeError(f"valgrind did not count: {said}")
    return int(found[1].replace(",", ""))


def _version(crate: str) -> str:
    lock = (HERE / "rust" / "Cargo.lock").read_text()
    found = re.search(rf'name = "{crate}"\nversion = "([^"]+)"', lock)
    return found[1] if found else "?"


def build(folder: Path, languages: list[str], *, peers: bool = True) -> Iterator[Program]:
    """Compile what is needed into a folder."""
    if "Rust" in languages:
        target = os.environ.get("CARGO_TARGET_DIR", str(HERE / "rust" / "target"))
        rust = ["cargo", "build", "--release", "--quiet", "--locked"]
        subprocess.run(rust, cwd=HERE / "rust", check=True, env={**os.environ, "CARGO_TARGET_DIR": target})
        program = f"{target}/release/dialplane-parser-peers"
        names = subprocess.check_output([program], text=True).split()
        yield from (Program("Rust", name, _version(name), (program, name)) for name in names)
    if "C" in languages:
        subprocess.run([ROOT / "native" / "capi" / "install.sh", folder], check=True)
        ours = ["-I", str(folder / "include"), str(folder / "lib" / "libdialplane.a"), "-lpthread", "-ldl", "-lm"]
        yield _compile(folder, "dialplane", _version("dialplane-syntax"), "dialplane.c", ours)
        for library, (source, package) in C_PEERS.items() if peers else ():
            flags = subprocess.check_output(["pkg-config", "--cflags", "--libs", package], text=True).split()
            version = subprocess.check_output(["pkg-config", "--modversion", package], text=True).strip()
            yield _compile(folder, library, version, source, flags)
    if "Cython" in languages:
        yield _cythonize(folder)


def _compile(folder: Path, library: str, version: str, source: str, flags: list[str]) -> Program:
    program = folder / library
    options = ["-O3", "-march=native", "-std=c11", "-D_GNU_SOURCE"]
    subprocess.run(["cc", *options, HERE / "c" / source, "-o", program, *flags], check=True)
    return Program("C", library, version, (str(program),))


def _cythonize(folder: Path) -> Program:
    source = shutil.copytree(HERE / "cython", folder / "cython")
    settings = {**os.environ, "DIALPLANE_HARNESS": str(HERE / "c")}
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=source, check=True, env=settings)
    code = f"import sys; sys.path.insert(0, {str(source)!r}); import through_table; through_table.main(sys.argv)"
    return Program("Cython", "dialplane", _version("dialplane-syntax"), (sys.executable, "-c", code))


def measure(languages: list[str], known: dict[Key, int]) -> None:
    """Measure what is there for these languages; the rows of the others stay."""
    with tempfile.TemporaryDirectory() as folder:
        programs = list(build(Path(folder), languages))
        places = [(message, level) for message in MESSAGES for level in LEVELS]
        rows = [program.measure(*place, known) for place in places for program in programs]
    rows += [row for row in read() if row.language not in languages]
    measured = sorted(
        (row for row in rows if row is not None),
        key=lambda row: (MESSAGES.index(row.message), LEVELS.index(row.level), LANGUAGES.index(row.language)),
    )
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
    lines = [
        f"# {model[1] if model else 'unknown processor'}, {platform.system()} {platform.release()}, commit {commit}",
        "# language\tlibrary\tversion\tmessage\tlevel\tnanoseconds\tinstructions",
    ]
    lines += ["\t".join(str(value) for value in vars(row).values()) for row in measured]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n")


def check(languages: list[str]) -> list[str]:
    """What needs more instructions than the committed results say, in words."""
    known = counts()
    grown = []
    with tempfile.TemporaryDirectory() as folder:
        for program in build(Path(folder), languages, peers=False):
            if program.library not in OURS:
                continue
            for message in MESSAGES:
                for level in LEVELS:
                    before = known[program.language, program.library, message, level]
                    now = program.count(message, level)
                    print(f"{program.language} {message} {level}: {now:,} instructions, {before:,} before")
                    if now > before * (1 + TOLERANCE):
                        grown.append(f"{program.language} {message} {level}")
    return grown


def counts() -> dict[Key, int]:
    """The committed instructions."""
    return {(row.language, row.library, row.message, row.level): row.instructions for row in read()}


def read() -> list[Row]:
    """The committed results."""
    rows = []
    for line in RESULTS.read_text().splitlines():
        if not line.startswith("#"):
            *texts, nanoseconds, instructions = line.split("\t")
            rows.append(Row(texts[0], texts[1], texts[2], texts[3], texts[4], float(nanoseconds), int(instructions)))
    return rows


def tables() -> str:
    """One table per message: a line for each library, time and thousands of instructions for each level."""
    rows = read()
    out = []
    for message in MESSAGES:
        size = (HERE / "messages" / f"{message}.sip").stat().st_size
        out += [f"### {message}.sip, {size} octets", ""]
        out.append("| library | " + " | ".join(f"{level}, ns | instructions" for level in LEVELS) + " |")
        out.append("|---|" + "---:|---:|" * len(LEVELS))
        libraries = dict.fromkeys((row.language, row.library, row.version) for row in rows)
        for language, library, version in libraries:
            cells = [f"{library} {version} ({language})"]
            for level in LEVELS:
                key = (language, library, message, level)
                found = [row for row in rows if (row.language, row.library, row.message, row.level) == key]
                cells += [f"{found[0].nanoseconds:,.0f}", f"{found[0].instructions:,}"] if found else ["refused", ""]
            out.append("| " + " | ".join(cells) + " |")
        out.append("")
    return "\n".join(out)


def render() -> None:
    """Put the tables between their marks in the document."""
    text = DOCUMENT.read_text()
    start, end = "<!-- native results -->\n", "<!-- end of native results -->"
    before, rest = text.split(start)
    DOCUMENT.write_text(before + start + tables() + end + rest.split(end)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--render", action="store_true", help="render the committed results only")
    parser.add_argument("--language", action="append", choices=LANGUAGES, help="only this one; the other results stay")
    parser.add_argument("--times", action="store_true", help="only measure times; the committed instructions stay")
    parser.add_argument("--check", action="store_true", help="only count; exit status 1 when instructions have grown")
    options = parser.parse_args()
    if options.check:
        if grown := check(options.language or list(LANGUAGES)):
            sys.exit(f"more instructions than {RESULTS.name} says: {', '.join(grown)}")
        return
    if not options.render:
        measure(options.language or list(LANGUAGES), counts() if options.times else {})
    render()
    sys.stdout.write(tables())


if __name__ == "__main__":
    main()
