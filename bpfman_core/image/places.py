"""The places that may have an image of a registry: its mirrors, then the registry itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from bpfman_core.errors import (
    Denied,
    InvalidObject,
    NotFound,
    RegistryError,
    Unreachable,
    Untrusted,
)
from bpfman_core.image.reference import Reference
from bpfman_core.image.remote.credentials import Credentials, find
from bpfman_core.image.remote.reach import check_reachable
from bpfman_core.image.repository import Located, Repository
from bpfman_core.image.settings import ImageSettings

if TYPE_CHECKING:
    from bpfman_core.image.remote.registry import RegistryRepository

T = TypeVar("T")

_log = logging.getLogger(__name__)

_FAULTS = (RegistryError, NotFound, Denied, InvalidObject, Untrusted)
"""For what a mirror is passed over: of an image, the registry that it is named after decides."""


@dataclass(frozen=True)
class Found(Located):
    """An image at a place: `place` names where it really is."""

    search: Search
    place: Reference

    def signed_at(self) -> Iterator[Repository]:
        """Where its signatures may be; a mirror may lack those that the registry has."""
        yield self.repository
        if self.place != self.search.reference and self.search.settings.signing.judges:
            yield self.search.open(self.search.reference)


@dataclass(frozen=True)
class Search:
    """An image to be found.

    What is in `credentials` is for the registry that the image is named after, never for a mirror;
    without, those that the user has stored are used.
    """

    reference: Reference
    credentials: Credentials | None
    settings: ImageSettings

    def nearest(self, attempt: Callable[[Found], T]) -> T:
        """What `attempt` makes of the image at the first place where all goes well.

        Raises the registry's own error, or that of `attempt` for it; where it cannot be reached and
        a mirror's copy is refused, why that is.
        """
        refused: Untrusted | None = None
        for mirror in self.settings.endpoint(self.reference.registry).settings.mirrors:
            place = Reference.parse(f"{mirror}/{self.reference.repository}")
            try:
                return attempt(self._find(place))
            except _FAULTS as error:
                level = logging.INFO if isinstance(error, NotFound) else logging.WARNING
                _log.log(level, "%s; asking the next place for %s", error, self.reference)
                refused = error if isinstance(error, Untrusted) else refused
        try:
            return attempt(self._find(self.reference))
        except Unreachable as error:
            raise refused or error from None

    def open(self, place: Reference) -> Repository:
        """The repository at a place."""
        given = self.credentials if place == self.reference else None
        return open_repository(place, self.settings, credentials=given)

    def _find(self, place: Reference) -> Found:
        repository = self.open(place)
        top = repository.resolve(self.reference.digest or self.reference.tag or "latest")
        if top is None:
            raise NotFound(
                f"{place.registry} has no image {self.reference}",
                hint="is its name right, and its tag?",
            )
        return Found(top, f"registry:{place.registry}", repository, self, place)


def open_repository(
    place: Reference,
    settings: ImageSettings,
    *,
    credentials: Credentials | None = None,
    actions: str = "pull",
) -> RegistryRepository:
    """The repository at a registry; without `credentials` those that the user has stored are used.

    Raises Unreachable where nobody listens there, or no registry may be asked; nothing else is
    asked yet.
    """
    if settings.offline:
        raise Unreachable(f"no registry is asked for {place}: [images] offline = true")
    endpoint = settings.endpoint(place.registry)
    check_reachable(endpoint)
    from bpfman_core.image.remote.registry import Access, RegistryRepository

    stored: Callable[[], Credentials | None] = lambda: credentials or find(place)  # noqa: E731
    return RegistryRepository(endpoint, place.repository, Access(actions, stored))
