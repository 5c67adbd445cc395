"""``python -m dialplane`` is the command ``dialplane``."""

from dialplane.cli import main

main()
