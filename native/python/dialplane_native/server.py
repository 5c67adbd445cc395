"""What the processes of the dialplane server call. Implemented in the extension's submodule ``_native.server``."""

from dialplane_native._native import server as _server

Connection = _server.Connection
DatabaseError = _server.DatabaseError
Steering = _server.Steering
Store = _server.Store
StoreError = _server.StoreError
check = _server.check
compile_table = _server.compile_table
config_fields = _server.config_fields
counter_names = _server.counter_names
counters = _server.counters
explain = _server.explain
record_id = _server.record_id
run_worker = _server.run_worker

__all__ = [
    "Connection",
    "DatabaseError",
    "Steering",
    "Store",
    "StoreError",
    "check",
    "compile_table",
    "config_fields",
    "counter_names",
    "counters",
    "explain",
    "record_id",
    "run_worker",
]
