"""A repository of images, be it a registry's or a layout's: what pulling and verifying read."""

from __future__ import annotations

from typing import Protocol

from bpfman_core.image.descriptor import Descriptor


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


def signature_tag(digest: str) -> str:
    """Where cosign keeps the signatures of an image (its specification, "Storage")."""
    return f"{digest.replace(':', '-')}.sig"


def fallback_tag(digest: str) -> str:
    """Where a registry without the API has referrers (distribution 1.1, "Referrers Tag")."""
    return digest.replace(":", "-")
