"""The extension needs the folder of the headers, and nothing to link with."""

from Cython.Build import cythonize
from setuptools import Extension, setup

import dialplane_native

extension = Extension("sip_census", ["sip_census.pyx"], include_dirs=[dialplane_native.get_include()])
setup(ext_modules=cythonize([extension]))
