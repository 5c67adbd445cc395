"""Compiled as the C programs are, with the folder of their harness in DIALPLANE_HARNESS; see ../run.py."""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

import dialplane_native

extension = Extension(
    "through_table",
    ["through_table.pyx"],
    include_dirs=[dialplane_native.get_include(), os.environ["DIALPLANE_HARNESS"]],
    extra_compile_args=["-O3", "-march=native", "-D_GNU_SOURCE"],
)
setup(ext_modules=cythonize([extension]))
