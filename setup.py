"""Cython kernels of ``dialplane.media``; everything else is told in ``pyproject.toml``."""

from Cython.Build import cythonize
from setuptools import Extension, setup

KERNELS = ["g711", "g722", "mix", "resample", "rtp", "tone", "wire"]

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"dialplane.media.{name}",
                [f"src/dialplane/media/{name}.pyx"],
                extra_compile_args=["-O3"],
            )
            for name in KERNELS
        ],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
    ),
)
