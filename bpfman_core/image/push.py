"""Uploads an image: what is pointed at goes before what points, its tag last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from bpfman_core.errors import BpfmanError, InvalidObject
from bpfman_core.image.descriptor import (
    DOCUMENT_LIMIT,
    INDEXES,
    LAYER_LIMIT,
    MANIFESTS,
    Descriptor,
    document,
)
from bpfman_core.image.manifest import Read, descriptors


class Target(Protocol):
    """A repository that takes images; every method raises what `Repository`'s do."""

    def put_blob(self, descriptor: Descriptor, data: bytes) -> None:
        """Add a blob, unless it is there."""
        ...

    def put_manifest(self, descriptor: Descriptor, data: bytes, tag: str | None) -> None:
        """Add an index or a manifest, under a tag if one is given."""
        ...


def push(top: Descriptor, read: Read, target: Target, tag: str | None) -> None:
    """Upload the image `top`, whose documents and blobs `read` gives.

    Raises InvalidObject before anything is sent where parts of it are missing.
    """
    documents = {one.digest: (one, data) for one, data in _documents(top, read)}
    blobs = {
        blob.digest: (blob, read(blob, LAYER_LIMIT))
        for _, data in documents.values()
        for blob in _blobs(data)
    }
    for blob, data in blobs.values():
        target.put_blob(blob, data)
    for one, data in reversed(documents.values()):
        target.put_manifest(one, data, tag if one.digest == top.digest else None)


def _documents(top: Descriptor, read: Read) -> Iterator[tuple[Descriptor, bytes]]:
    """The index or manifest itself, then those that an index names."""
    try:
        data = read(top, DOCUMENT_LIMIT)
    except InvalidObject as error:
        raise BpfmanError(
            f"the image is not here in full: {error.message}",
            hint="of an image for several architectures only this host's part is pulled",
        ) from error
    if top.media_type not in INDEXES | MANIFESTS:
        raise InvalidObject(f"{top.digest} is neither an index nor a manifest: {top.media_type!r}")
    yield top, data
    if top.media_type in INDEXES:
        for child in descriptors(document(data), "manifests"):
            if child.media_type not in MANIFESTS:
                raise InvalidObject("an index within an index cannot be pushed")
            yield from _documents(child, read)


def _blobs(data: bytes) -> Iterator[Descriptor]:
    value = document(data)
    if "manifests" not in value:
        yield Descriptor.parse(value.get("config"))
        yield from descriptors(value, "layers")
