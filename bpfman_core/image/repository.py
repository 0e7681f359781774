"""A repository of images, be it a registry's or a layout's: what pulling and verifying read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bpfman_core.image.descriptor import DOCUMENT_LIMIT, Descriptor, document
from bpfman_core.image.manifest import descriptors


class Repository(Protocol):
    """Images under one name. Nothing that comes out of it is unchecked.

    Every method raises InvalidObject for what is damaged; a registry's also errors.RegistryError
    and errors.Denied.
    """

    def resolve(self, wanted: str) -> Descriptor | None:
        """The index or manifest of a tag or a digest, or None where there is none."""
        ...

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """The checked bytes of a descriptor, of which there may be at most `limit`."""
        ...

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """The manifests that say they are about the one of this digest."""
        ...


@dataclass(frozen=True)
class Located:
    """An image where it was found.

    `top` is what its name stands for, `source` says in a word where that is, and `repository` gives
    its documents.
    """

    top: Descriptor
    source: str
    repository: Repository


def referrers_by_tag(repository: Repository, digest: str) -> tuple[Descriptor, ...]:
    """What `Repository.referrers` gives where there is no list but that under `fallback_tag`."""
    index = repository.resolve(fallback_tag(digest))
    if index is None:
        return ()
    return descriptors(document(repository.read(index, DOCUMENT_LIMIT)), "manifests")


def signature_tag(digest: str) -> str:
    """Where cosign keeps the signatures of an image (its specification, "Storage")."""
    return f"{digest.replace(':', '-')}.sig"


def fallback_tag(digest: str) -> str:
    """Where a registry without the API has referrers (distribution 1.1, "Referrers Tag")."""
    return digest.replace(":", "-")
