"""From a file to the configuration in force: read, check everything, say all that is wrong, fill in what is open."""

from dialplane.configuration.effective import resolve
from dialplane.configuration.load import Loaded, Source, built_in, load, parse
from dialplane.configuration.problem import ConfigurationError, Problem

__all__ = ["ConfigurationError", "Loaded", "Problem", "Source", "built_in", "load", "parse", "resolve"]
