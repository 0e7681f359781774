"""Finds an image without reading all of it: for those who want to look at it, or to verify it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from bpfman_core.errors import BpfmanError, InvalidObject, NotFound, Unreachable
from bpfman_core.image import seed
from bpfman_core.image.cache import Cache
from bpfman_core.image.descriptor import DOCUMENT_LIMIT, INDEXES, document
from bpfman_core.image.layout_url import LAYOUT, open_layout
from bpfman_core.image.manifest import Manifest, descriptors, read_manifest
from bpfman_core.image.places import Found, Search
from bpfman_core.image.reference import Reference
from bpfman_core.image.remote.credentials import Credentials
from bpfman_core.image.repository import Located
from bpfman_core.image.settings import ImageSettings
from bpfman_core.image.signing import check
from bpfman_core.model import PullPolicy


def manifests(image: Located) -> Iterator[tuple[str, Manifest]]:
    """What there is for each platform; in a cache that may be less than the image has."""
    top, read = image.top, image.repository.read
    if top.media_type not in INDEXES:
        manifest = read_manifest(top, read)
        yield manifest.platform, manifest
        return
    for child in descriptors(document(read(top, DOCUMENT_LIMIT)), "manifests"):
        with suppress(InvalidObject):
            yield child.platform, read_manifest(child, read)


def locate(
    url: str, settings: ImageSettings, credentials: Credentials | None, policy: PullPolicy
) -> Located:
    """An image where a load by the same policy would take it from. Raises what `source.find` does.

    It is judged by nobody.
    """
    if url.startswith(LAYOUT):
        return open_layout(url)
    search = Search(Reference.parse(url), credentials, settings)
    if policy is PullPolicy.ALWAYS:
        return search.nearest(_itself)
    with suppress(BpfmanError):
        cached = Cache(settings.cache).locate(search.reference)
        if cached is not None:
            return cached
    unreachable: Unreachable | None = None
    if policy is not PullPolicy.NEVER:
        try:
            return search.nearest(_itself)
        except Unreachable as error:
            unreachable = error
    seeded = seed.find(search.reference, settings, unreachable)
    if seeded is None:
        raise unreachable or NotFound(f"{search.reference} is not here")
    return seeded


def verify(url: str, settings: ImageSettings, credentials: Credentials | None) -> tuple[str, str]:
    """The digest of an image, and by whom of those whom `settings.signing` trusts it is signed.

    It is looked for where it is published: in a layout, else at the registry or its mirrors. Raises
    Untrusted where nobody of them has signed it, and what `source.find` does.
    """
    if url.startswith(LAYOUT):
        here = open_layout(url)
        by = check.verify([here.repository], here.top.digest, settings.signing)
        return here.top.digest, by

    def attempt(found: Found) -> tuple[str, str]:
        by = check.verify(found.signed_at(), found.top.digest, settings.signing)
        return found.top.digest, by

    return Search(Reference.parse(url), credentials, settings).nearest(attempt)


def _itself(found: Found) -> Located:
    return found
