"""Programs and links as JSON. What is absent is null, [] or {}; keys never change their meaning."""

from __future__ import annotations

from dataclasses import asdict

from bpfman_core.cli.layout import timestamp
from bpfman_core.model import ImageOrigin, Json, LinkView, Origin, ProgramSpec, ProgramView

VERSION = 1
"""Raised when a key changes its meaning or goes away."""


def program(view: ProgramView) -> dict[str, Json]:
    """One program."""
    return {
        "version": VERSION,
        "bpfman": _ours(view.spec, view) if view.spec else None,
        "kernel": {
            **asdict(view.kernel),
            "type": view.type,
            "loaded_at": timestamp(view.kernel.loaded_at),
        },
    }


def link(view: LinkView) -> dict[str, Json]:
    """One link."""
    return {
        "id": view.id,
        "program_id": view.program_id,
        "type": view.type,
        "attached": view.attached,
        "detail": view.detail or None,
        "position": view.position,
        "options": dict(view.options),
        "metadata": dict(view.metadata),
        "rows": dict(view.rows),
    }


def _ours(spec: ProgramSpec, view: ProgramView) -> dict[str, Json]:
    return {
        "name": spec.name,
        "origin": _origin(spec.origin),
        "globals": {name: value.hex() for name, value in spec.globals.items()},
        "metadata": dict(spec.metadata),
        "application": spec.application,
        "map_pin_path": view.map_pin_path,
        "map_owner_id": spec.map_owner_id,
        "map_used_by": list(view.map_used_by),
        "load_options": dict(spec.options),
        "link_ids": list(view.link_ids),
        "links": [link(each) for each in view.links],
    }


def _origin(origin: Origin) -> dict[str, Json]:
    if isinstance(origin, ImageOrigin):
        return {
            "image": origin.url,
            "pull_policy": origin.pull_policy.value,
            "digest": origin.digest or None,
            "source": origin.source or None,
            "signature": origin.signature or None,
        }
    return {"path": origin.path}
