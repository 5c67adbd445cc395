"""The library is installed once into a folder of its own, as `make capi` does it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CAPI = ROOT / "native" / "capi"

Compile = Callable[..., Path]


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run a command and show what it said when it fails."""
    done = subprocess.run(command, capture_output=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}\n{done.stdout.decode()}\n{done.stderr.decode()}"
    return done


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("pkg-config") is None:
        pytest.fail("pkg-config is needed (make deps-debian)")
    folder = tmp_path_factory.mktemp("capi")
    # Link-time optimization takes a minute and changes nothing that is tested here.
    fast = {"CARGO_PROFILE_RELEASE_LTO": "off", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16"}
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "native" / "target"))
    run(CAPI / "install.sh", folder, env={**os.environ, **fast, "CARGO_TARGET_DIR": target})
    return folder


@pytest.fixture(scope="session")
def flags(prefix: Path) -> Callable[..., list[str]]:
    def ask(*questions: str) -> list[str]:
        settings = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
        return shlex.split(run("pkg-config", *questions, "dialplane", env=settings).stdout.decode())

    return ask


@pytest.fixture(scope="session")
def compile_c(prefix: Path, flags: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Compile a C file with every warning an error, against the shared library or (static=True) the static one."""
    folder = tmp_path_factory.mktemp("programs")

    def compile_one(source: Path, *options: str, static: bool = False) -> Path:
        program = folder / f"{source.stem}-{abs(hash((source, options, static)))}"
        warnings = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-O1"]
        if static:
            private = [flag for flag in flags("--libs", "--static") if flag != "-ldialplane"]
            libraries = [str(prefix / "lib" / "libdialplane.a"), *private]
        else:
            libraries = [*flags("--libs"), f"-Wl,-rpath,{prefix / 'lib'}"]
        run("cc", *warnings, *options, *flags("--cflags"), source, "-o", program, *libraries)
        return program

    return compile_one
