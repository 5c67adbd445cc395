"""The example extension in Cython, built against the installed wheel: it says what the Python API says."""

from __future__ import annotations

import array
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import dialplane_native
from dialplane_native import DialplaneError, Message, ParseError, parse

from .samples import ALL, INVITE, REGISTER, RINGING, ROOT, SHARED, TORTURE

EXAMPLE = ROOT / "native" / "examples" / "cython"
# Pointers to functions, and fields; not the further lines of an argument list.
FIELD = re.compile(r'[^()]*\(\*(\w+)|[^()]*?(\w+)(?: "\w+")?(?:\[\d+\])?;$')
HEADERS = Path(dialplane_native.get_include())
# Optimization takes most of the time of a build and changes nothing that is tested here.
FAST = {**os.environ, "CFLAGS": "-O0"}

# Two extensions are built, perhaps on a machine that does other things as well.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the extension, made of a copy of the example from nothing but what the wheel ships."""
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("example") / "source")
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-index"]
    command = [*pip, "--no-build-isolation", "--no-deps", "--wheel-dir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=folder, env=FAST)
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture(scope="module")
def census(installed: Path) -> ModuleType:
    [library] = installed.glob("sip_census*.so")
    spec = importlib.util.spec_from_file_location("sip_census", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def messages() -> list[bytes]:
    """The samples, the good messages, the torture messages, and the samples with one field broken or gone."""
    files = [*SHARED.glob("messages/*.sip"), *TORTURE.glob("*/*.dat")]
    assert len(files) > 50
    broken = [
        INVITE.replace(field, instead)
        for field, instead in [
            (b"sip:bob@biloxi.com SIP", b"sip:[::1 SIP"),
            (b";branch=z9hG4bKnashds8", b""),
            (b"To: Bob <", b"To: Bob <<"),
            (b"From: ", b"X-From: "),
            (b"CSeq: 314159", b"CSeq: 4294967296"),
            (b"Max-Forwards: 70", b"Max-Forwards: many"),
        ]
    ]
    assert INVITE not in broken
    return [*ALL, *broken, *(file.read_bytes() for file in sorted(files))]


def readable(read: Callable[[], Any]) -> Any:
    """What cannot be read is None."""
    try:
        return read()
    except DialplaneError:
        return None


def typical(message: Message) -> dict[str, Any]:
    """The same as the function of that name in the example, from the Python API."""
    return {
        "user": readable(lambda: message.uri.user if message.uri is not None else None),
        "branch": readable(lambda: message.top_via.branch),
        "from": readable(lambda: message.from_.uri_text),
        "from_tag": readable(lambda: message.from_.tag),
        "to": readable(lambda: message.to.uri_text),
        "to_tag": readable(lambda: message.to.tag),
        "call_id": readable(lambda: message.call_id),
        "cseq": readable(lambda: message.cseq.number),
        "max_forwards": readable(lambda: message.max_forwards),
    }


def test_a_sample(census: ModuleType) -> None:
    assert census.typical(INVITE) == {
        "user": "bob",
        "branch": "z9hG4bKnashds8",
        "from": "sip:alice@atlanta.com",
        "from_tag": "1928301774",
        "to": "sip:bob@biloxi.com",
        "to_tag": None,
        "call_id": "a84b4c76e66710",
        "cseq": 314159,
        "max_forwards": 70,
    }


def test_fields_are_those_of_the_python_api(census: ModuleType) -> None:
    read = 0
    for data in messages():
        try:
            message = parse(data)
        except ParseError:
            with pytest.raises(ValueError, match=r"\w"):
                census.typical(data)
        else:
            assert census.typical(data) == typical(message), data
            read += 1
    assert read > 50


def test_counts_are_those_of_the_python_api(census: ModuleType) -> None:
    expected: Counter[str] = Counter()
    buffer, ends = bytearray(), array.array("Q")
    for data in [*messages(), INVITE, REGISTER, RINGING]:
        buffer += data
        ends.append(len(buffer))
        try:
            message = parse(data)
        except ParseError:
            expected["refused"] += 1
        else:
            expected[message.method if message.is_request else "response"] += 1
    found = census.count(buffer, ends)
    # Methods of extensions are counted together.
    assert found.pop("other") == sum(much for name, much in expected.items() if name not in found)
    assert found == {name: expected[name] for name in found}
    assert found["INVITE"] > 10


def test_ends_that_lie_elsewhere_are_refused(census: ModuleType) -> None:
    for ends in ([len(INVITE) + 1], [len(INVITE), len(INVITE) - 1], [2**64 - 1]):
        with pytest.raises(ValueError, match="lies outside"):
            census.count(INVITE, array.array("Q", ends))
    assert census.count(b"", array.array("Q")) == {}
    assert census.count(INVITE, array.array("Q", [0, len(INVITE)])) == {"INVITE": 1, "refused": 1}
    with pytest.raises(ValueError, match=r"\w"):
        census.typical(b"")


def test_python_goes_on_meanwhile(census: ModuleType) -> None:
    """A thread that counts again and again has no lock meanwhile: another one can tell it to stop."""
    times, rounds = 2_000, 1_000
    buffer, ends = INVITE * times, array.array("Q", range(len(INVITE), len(INVITE) * times + 1, len(INVITE)))
    stop, found = threading.Event(), []

    def work() -> None:
        for _ in range(rounds):
            found.append(census.count(buffer, ends))
            if stop.is_set():
                return

    interval = sys.getswitchinterval()
    # Nobody is asked to give the lock up: only who releases it lets others run.
    sys.setswitchinterval(1000)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        stop.set()
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(found) < rounds
    assert found == [{"INVITE": times}] * len(found)


# Replaces the capsule of the module by one with another table, or takes it away, and imports the extension.
ANOTHER_TABLE = """\
import ctypes, sys
from dialplane_native import _native
change, value = sys.argv[1], int(sys.argv[2])
api = ctypes.pythonapi
api.PyCapsule_GetPointer.restype = ctypes.c_void_p
api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
api.PyCapsule_New.restype = ctypes.py_object
api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
name = b"dialplane_native._native._C_API"
place = ctypes.c_void_p.from_address(api.PyCapsule_GetPointer(_native._C_API, name))
size = (ctypes.c_uint32 * 2).from_address(place.value)[1]
table = (ctypes.c_uint8 * (size + 8)).from_buffer_copy(ctypes.string_at(place.value, size) + bytes(8))
numbers = (ctypes.c_uint32 * 2).from_buffer(table)
place = ctypes.c_void_p(ctypes.addressof(table))
_native._C_API = api.PyCapsule_New(ctypes.addressof(place), name, None)
if change == "abi":
    numbers[0] += value
elif change == "size":
    numbers[1] += value
elif change == "none":
    del _native._C_API
import sip_census
print(sip_census.typical(b"OPTIONS sip:bob@biloxi.com SIP/2.0\\r\\n\\r\\n")["user"])
"""


def import_beside(installed: Path, change: str, value: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ANOTHER_TABLE, change, str(value)]
    return subprocess.run(command, cwd=installed, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("change", "value", "text"),
    [
        ("abi", 1, "is version 2, and this extension was compiled for version 1: compile it anew"),
        ("size", -8, "is older than the one that this extension was compiled with"),
        ("none", 0, "the installed dialplane_native has no C interface: upgrade it"),
    ],
)
def test_another_table_is_an_import_error(installed: Path, change: str, value: int, text: str) -> None:
    done = import_beside(installed, change, value)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert text in last


@pytest.mark.parametrize("value", [0, 8])
def test_a_longer_table_serves(installed: Path, value: int) -> None:
    done = import_beside(installed, "size", value)
    assert (done.returncode, done.stdout) == (0, "bob\n"), done.stderr


def test_the_headers_are_those_of_the_c_library() -> None:
    assert (HEADERS / "dialplane.h").read_bytes() == (ROOT / "native" / "capi" / "include" / "dialplane.h").read_bytes()


def test_every_name_that_is_declared_is_in_the_header(tmp_path: Path) -> None:
    """All of the declarations are compiled: every structure, field, constant and function of the table."""
    declared = (HEADERS.parent / "__init__.pxd").read_text()
    names: dict[str, list[str]] = {}
    constants, current = [], ""
    for line in declared.splitlines():
        words = line.split("#")[0].strip()
        if words.startswith("ctypedef struct"):
            current = words.removeprefix("ctypedef struct ").rstrip(":")
            names[current] = []
        elif words.startswith(("ctypedef enum", "enum:", "cdef extern")):
            current = ""
        elif words.startswith("DP_"):
            constants.append(words.rstrip(","))
        elif current and (name := FIELD.match(words)):
            names[current].append(name[1] or name[2])
    assert len(names) == 13
    assert len(constants) > 130
    assert {"abi", "parse", "from_", "edits_apply"} <= set(names["dp_api"])
    lines = ["from dialplane_native cimport *", "cdef size_t total = 0"]
    for structure, fields in names.items():
        lines += [f"cdef {structure} *one_{structure} = NULL"]
        lines += [f"total += sizeof(one_{structure}.{field})" for field in fields]
    lines += [f"total += <size_t>{constant}" for constant in constants]
    # And the example of the documentation.
    page = (ROOT / "docs" / "parser.md").read_text()
    example = page.split("```cython\n")[1].split("```", maxsplit=1)[0]
    (tmp_path / "everything.pyx").write_text("\n".join(lines) + "\n" + example)
    (tmp_path / "setup.py").write_text((EXAMPLE / "setup.py").read_text().replace("sip_census", "everything"))
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False, env=FAST)
    assert done.returncode == 0, done.stdout + done.stderr
