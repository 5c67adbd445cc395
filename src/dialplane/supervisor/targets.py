"""Targets of all sets: how they do, and those that the operator wants to get no new calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from dialplane.configuration.problem import suggestion

if TYPE_CHECKING:
    from dialplane.config import Config
    from dialplane.supervisor.parts import SharedStore


def answer(question: dict[str, Any], store: SharedStore, config: Config) -> dict[str, Any]:
    """To ``dialplane targets``."""
    if question["ask"] == "drain":
        return _drain(question["target"], store, config, on=question["on"])
    return {"targets": json.loads(store.targets(msgspec.json.encode(config)))}


def _drain(wanted: str, store: SharedStore, config: Config, *, on: bool) -> dict[str, Any]:
    targets = {target.uri: target for entry in config.target_set for target in entry.targets}
    uri = wanted if wanted in targets else f"sip:{wanted}"
    target = targets.get(uri)
    if target is None:
        near = suggestion(wanted, list(targets))
        return {"refused": f'no target has the URI "{wanted}"{near}'}
    if target.drain:
        return {"refused": f"{uri} is drained by the configuration"}
    store.drain(uri, on)
    return {"target": uri}
