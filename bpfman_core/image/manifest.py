"""From the descriptor that a reference stands for to the one image for this host."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bpfman_core.errors import InvalidObject
from bpfman_core.image.descriptor import (
    DOCUMENT_LIMIT,
    INDEXES,
    MANIFESTS,
    Descriptor,
    document,
)
from bpfman_core.model import Json

Read = Callable[[Descriptor, int], bytes]
"""Gives the checked bytes of a descriptor; the number is the most that it may have."""

_MANY_LAYERS = 16
_LAYERS_LIMIT = 64 << 20  # bytes, packed

_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "386",
    "loongarch64": "loong64",
}
"""What the kernel calls machines and images call otherwise."""


@dataclass(frozen=True)
class Manifest:
    """One image for one platform: its labels and its layers, and the platform that it says."""

    labels: Mapping[str, str]
    layers: tuple[Descriptor, ...]
    platform: str


def host_platform() -> str:
    """The `os/architecture` of this host."""
    machine = os.uname().machine
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"


def resolve(top: Descriptor, read: Read, platform: str | None = None) -> Manifest:
    """The manifest that `top` is, or leads to by an index, for `platform` or else this host's.

    Raises InvalidObject.
    """
    value = document(read(top, DOCUMENT_LIMIT))
    if media_type(top, value) in INDEXES:
        return read_manifest(choose(value, platform or host_platform()), read)
    return read_manifest(top, read)


def read_manifest(descriptor: Descriptor, read: Read) -> Manifest:
    """The manifest that this is; an index is none. Raises InvalidObject."""
    value = document(read(descriptor, DOCUMENT_LIMIT))
    kind = media_type(descriptor, value)
    if kind not in MANIFESTS:
        raise InvalidObject(f"the image's manifest is of an unknown kind: {kind or 'none given'}")
    layers = descriptors(value, "layers")
    if len(layers) > _MANY_LAYERS or sum(layer.size for layer in layers) > _LAYERS_LIMIT:
        raise InvalidObject("the image's layers are more, or larger, than bytecode can need")
    config = document(read(Descriptor.parse(value.get("config")), DOCUMENT_LIMIT))
    platform = f"{config.get('os', '')}/{config.get('architecture', '')}"
    return Manifest(_labels(config), layers, platform)


def media_type(descriptor: Descriptor, value: Mapping[str, Json]) -> str:
    """What a document is, on which it and what led to it must agree. Raises InvalidObject.

    Else two readers could take the same bytes for different images (CVE-2021-41190).
    """
    inside, outside = value.get("mediaType"), descriptor.media_type
    if (inside and outside and inside != outside) or ("manifests" in value and "layers" in value):
        raise InvalidObject(f"the image's document {descriptor.digest} contradicts itself")
    return str(inside or outside)


def choose(index: Mapping[str, Json], platform: str) -> Descriptor:
    """What an index has for a platform. Raises InvalidObject."""
    choices = descriptors(index, "manifests")
    for choice in choices:
        if choice.platform == platform:
            return choice
    held = ", ".join(sorted({choice.platform or "unnamed" for choice in choices})) or "none"
    raise InvalidObject(f"the image has nothing for {platform}; it is for: {held}")


def descriptors(value: Mapping[str, Json], key: str) -> tuple[Descriptor, ...]:
    """A list of descriptors in a document. Raises InvalidObject."""
    rows = value.get(key)
    if not isinstance(rows, list):
        raise InvalidObject(f"the image's manifest has no list of {key}")
    return tuple(Descriptor.parse(row) for row in rows)


def _labels(config: Mapping[str, Json]) -> dict[str, str]:
    inner = config.get("config")
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    if not isinstance(labels, dict):
        return {}
    return {str(name): str(text) for name, text in labels.items()}
