"""The extension module. Import from ``dialplane_native`` and ``dialplane_native.server``, not from here."""

__version__: str
