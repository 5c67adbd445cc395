"""The parser from Python beside its peers: ``python -m benchmarks.parser_python``."""
