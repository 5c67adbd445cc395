"""Kernels over audio samples: G.711 and tone power. Compiled by Cython; ``reference`` is their readable twin."""
