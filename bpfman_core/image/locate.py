"""Finds an image without reading all of it: for those who want to look at it, or to verify it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from bpfman_core.errors import InvalidObject, NotFound
from bpfman_core.image.cache import Cache
from bpfman_core.image.descriptor import DOCUMENT_LIMIT, INDEXES, Descriptor, document
from bpfman_core.image.manifest import Manifest, descriptors, read_manifest
from bpfman_core.image.pull import open_repository
from bpfman_core.image.reference import Reference
from bpfman_core.image.remote.credentials import Credentials
from bpfman_core.image.repository import Repository
from bpfman_core.image.settings import ImageSettings
from bpfman_core.image.source import LAYOUT, open_layout


@dataclass(frozen=True)
class Located:
    """An image, where it was found, and the repository that its documents are read from."""

    top: Descriptor
    source: str
    repository: Repository

    def manifests(self) -> Iterator[tuple[str, Manifest]]:
        """What there is for each platform; in a cache that may be less than the image has."""
        if self.top.media_type not in INDEXES:
            manifest = read_manifest(self.top, self.repository.read)
            yield manifest.platform, manifest
            return
        index = document(self.repository.read(self.top, DOCUMENT_LIMIT))
        for child in descriptors(index, "manifests"):
            with suppress(InvalidObject):
                yield child.platform, read_manifest(child, self.repository.read)


def locate(
    url: str, settings: ImageSettings, credentials: Credentials | None, *, cached: bool
) -> Located:
    """An image of a layout, of the cache if it may be `cached`, or of its registry.

    Raises what `source.find` does.
    """
    if url.startswith(LAYOUT):
        repository, top = open_layout(url)
        return Located(top, f"layout:{repository.layout.directory}", repository)
    reference = Reference.parse(url)
    if cached:
        cache = Cache(settings.cache)
        with suppress(InvalidObject):
            top_here = cache.find(reference)
            if top_here is not None:
                return Located(top_here, f"cache:{cache.directory}", cache.repository(reference))
    remote = open_repository(reference, settings, credentials=credentials)
    found = remote.resolve(reference.digest or reference.tag or "latest")
    if found is None:
        raise NotFound(f"{reference.registry} has no image {reference}")
    return Located(found, f"registry:{reference.registry}", remote)
