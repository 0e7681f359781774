"""Records as JSON text and back: the form in which the store keeps them."""

from __future__ import annotations

import json
from dataclasses import asdict

from bpfman_core.model import (
    FileOrigin,
    ImageOrigin,
    Json,
    LinkRecord,
    LinkState,
    Origin,
    ProgramRecord,
    ProgramSpec,
    ProgramState,
    PullPolicy,
)


def program_to_text(record: ProgramRecord) -> str:
    """A program's record; the bytes of globals become hexadecimal."""
    document = asdict(record)
    document["spec"]["globals"] = {name: v.hex() for name, v in record.spec.globals.items()}
    return json.dumps(document)


def program_from_text(text: str) -> ProgramRecord:
    """The inverse of `program_to_text`."""
    document = json.loads(text)
    spec = document.pop("spec")
    spec["origin"] = _origin(spec["origin"])
    spec["globals"] = {name: bytes.fromhex(value) for name, value in spec["globals"].items()}
    state = ProgramState(document.pop("state"))
    return ProgramRecord(**document, spec=ProgramSpec(**spec), state=state)


def link_to_text(record: LinkRecord) -> str:
    """A link's record."""
    return json.dumps(asdict(record))


def link_from_text(text: str) -> LinkRecord:
    """The inverse of `link_to_text`."""
    document = json.loads(text)
    return LinkRecord(**{**document, "state": LinkState(document["state"])})


def _origin(document: dict[str, Json]) -> Origin:
    if "path" in document:
        return FileOrigin(**document)
    return ImageOrigin(**{**document, "pull_policy": PullPolicy(document["pull_policy"])})
