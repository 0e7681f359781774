"""Takes one image out of a repository: its signatures are judged first, its layers read after."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from bpfman_core.errors import BpfmanError
from bpfman_core.image.bytecode import FetchedImage
from bpfman_core.image.cache import POLICY, VERDICT, Cache
from bpfman_core.image.descriptor import INDEX, LAYER_LIMIT, Descriptor, index_of
from bpfman_core.image.manifest import resolve
from bpfman_core.image.places import Found, Search
from bpfman_core.image.repository import Located, Repository, fallback_tag
from bpfman_core.image.signing import check

_log = logging.getLogger(__name__)


@dataclass
class Recorder:
    """A repository that keeps what is read of `inner`: blobs by digest, descriptors by tag.

    A blob that the cache has already is not asked for again.
    """

    inner: Repository
    cache: Cache
    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, Descriptor] = field(default_factory=dict)

    def resolve(self, wanted: str) -> Descriptor | None:
        """See `Repository.resolve`."""
        found = self.inner.resolve(wanted)
        if found is not None:
            self.tags[wanted] = found
        return found

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `Repository.read`."""
        try:
            data = self.cache.read(descriptor, limit)
        except BpfmanError:
            data = self.inner.read(descriptor, limit)
        self.blobs[descriptor.digest] = data
        return data

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """See `Repository.referrers`. What is found is kept as the index that a layout has."""
        found = self.inner.referrers(digest)
        if found:
            data = index_of(found)
            index = Descriptor.of(INDEX, data)
            self.blobs[index.digest] = data
            self.tags[fallback_tag(digest)] = index
        return found


def take(image: Located, verdict: str) -> FetchedImage:
    """Read what an image has for this host."""
    read = image.repository.read
    manifest = resolve(image.top, read)
    layers = tuple(read(layer, LAYER_LIMIT) for layer in manifest.layers)
    return FetchedImage(image.top.digest, image.source, manifest.labels, layers, verdict)


def pull(search: Search, *, must_keep: bool) -> FetchedImage:
    """Get an image from the nearest place into the cache.

    Raises Unreachable where none of them can be asked, else the error of the registry itself;
    where the image `must_keep` in the cache, also what prevents that.
    """
    taken = search.nearest(_take_from)
    try:
        Cache(search.settings.cache).put(
            search.reference,
            taken.top,
            taken.recorder.blobs,
            beside=taken.recorder.tags,
            signing=taken.notes,
        )
    except BpfmanError as error:
        if must_keep:
            raise
        _log.warning("%s is not kept: %s", search.reference, error)
    return taken.image


@dataclass(frozen=True)
class _Taken:
    image: FetchedImage
    top: Descriptor
    recorder: Recorder
    notes: Mapping[str, str]


def _take_from(found: Found) -> _Taken:
    settings = found.search.settings
    recorder = Recorder(found.repository, Cache(settings.cache))
    fingerprint = settings.signing.fingerprint()
    verdict = check.verdict(_signed_at(found, recorder), found.top.digest, settings.signing)
    image = take(replace(found, repository=recorder), verdict)
    return _Taken(image, found.top, recorder, notes(fingerprint, verdict))


def _signed_at(found: Found, recorder: Recorder) -> Iterator[Repository]:
    """Where signatures may be; those that are read are kept with the image."""
    return (replace(recorder, inner=repository) for repository in found.signed_at())


def notes(fingerprint: str, verdict: str) -> dict[str, str]:
    """What the cache keeps of a judgement, so that it need not be repeated.

    The fingerprint is that of the policy before it was asked: a key that is replaced meanwhile
    must not be taken for the one that judged.
    """
    return {POLICY: fingerprint, VERDICT: verdict}
