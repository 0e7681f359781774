"""Takes one image out of a repository: its signatures are judged first, its layers read after."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bpfman_core.errors import BpfmanError, InvalidObject, NotFound, Unreachable
from bpfman_core.image.build import index_of
from bpfman_core.image.bytecode import FetchedImage
from bpfman_core.image.cache import POLICY, VERDICT, Cache
from bpfman_core.image.descriptor import INDEX, LAYER_LIMIT, Descriptor
from bpfman_core.image.manifest import resolve
from bpfman_core.image.reference import Reference
from bpfman_core.image.remote.credentials import Credentials, find
from bpfman_core.image.remote.reach import check_reachable
from bpfman_core.image.repository import Repository, fallback_tag
from bpfman_core.image.settings import ImageSettings
from bpfman_core.image.signing import check
from bpfman_core.image.signing.policy import SigningPolicy

if TYPE_CHECKING:
    from bpfman_core.image.remote.registry import RegistryRepository

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
        except InvalidObject:
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


def take(repository: Repository, top: Descriptor, source: str, verdict: str) -> FetchedImage:
    """Read the image for this host that `top` stands for."""
    manifest = resolve(top, repository.read)
    layers = tuple(repository.read(layer, LAYER_LIMIT) for layer in manifest.layers)
    return FetchedImage(top.digest, source, manifest.labels, layers, verdict)


@dataclass(frozen=True)
class Pull:
    """One image to get.

    What is in `credentials` is for the registry that the image is named after, never for a mirror;
    without, those that the user has stored are used.
    """

    reference: Reference
    credentials: Credentials | None
    settings: ImageSettings

    def run(self, *, must_keep: bool) -> FetchedImage:
        """Get the image from its registry, or a mirror of that, into the cache.

        Raises Unreachable where none of them can be asked, else the error of the registry itself;
        where the image `must_keep` in the cache, also what prevents that.
        """
        for mirror in self.settings.endpoint(self.reference.registry).settings.mirrors:
            place = Reference.parse(f"{mirror}/{self.reference.repository}")
            try:
                return self._take_from(place, must_keep)
            except (Unreachable, NotFound) as error:
                _log.info("%s; asking the next one", error)
        return self._take_from(self.reference, must_keep)

    def _take_from(self, place: Reference, must_keep: bool) -> FetchedImage:
        """`place` is where the repository really is: at a mirror, or at the registry itself."""
        recorder = self._open(place)
        wanted = self.reference.digest or self.reference.tag or "latest"
        top = recorder.resolve(wanted)
        if top is None:
            raise NotFound(
                f"{place.registry} has no image {self.reference}",
                hint="is its name right, and its tag?",
            )
        del recorder.tags[wanted]
        verdict = check.verdict(self._places(place, recorder), top.digest, self.settings.signing)
        fetched = take(recorder, top, f"registry:{place.registry}", verdict)
        try:
            Cache(self.settings.cache).put(
                self.reference,
                top,
                recorder.blobs,
                beside=recorder.tags,
                signing=signing_notes(self.settings.signing, verdict),
            )
        except BpfmanError as error:
            if must_keep:
                raise
            _log.warning("%s is not kept: %s", self.reference, error)
        return fetched

    def _places(self, place: Reference, recorder: Recorder) -> Iterator[Repository]:
        """Where to look for signatures; a mirror may lack those that the registry has."""
        yield recorder
        if place != self.reference and self.settings.signing.judges:
            origin = self._open(self.reference)
            origin.blobs, origin.tags = recorder.blobs, recorder.tags
            yield origin

    def _open(self, place: Reference) -> Recorder:
        given = self.credentials if place == self.reference else None
        found = open_repository(place, self.settings, credentials=given)
        return Recorder(found, Cache(self.settings.cache))


def signing_notes(policy: SigningPolicy, verdict: str) -> dict[str, str]:
    """What the cache keeps of a judgement, so that it need not be repeated."""
    return {POLICY: policy.fingerprint(), VERDICT: verdict}


def open_repository(
    place: Reference,
    settings: ImageSettings,
    *,
    credentials: Credentials | None = None,
    actions: str = "pull",
) -> RegistryRepository:
    """The repository at a registry; see `Pull` for `credentials`.

    Raises Unreachable where nobody listens there; nothing else is asked yet.
    """
    endpoint = settings.endpoint(place.registry)
    check_reachable(endpoint)
    from bpfman_core.image.remote.registry import Access, RegistryRepository

    stored: Callable[[], Credentials | None] = lambda: credentials or find(place)  # noqa: E731
    return RegistryRepository(endpoint, place.repository, Access(actions, stored))
