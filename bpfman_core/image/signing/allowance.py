"""How much may be read in search of an image's signatures, whoever keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from bpfman_core.image.descriptor import Descriptor
from bpfman_core.image.repository import Repository

TOTAL = 32 << 20  # bytes


@dataclass
class Allowance:
    """A repository of which at most `left` bytes can be read; what has more is InvalidObject."""

    inner: Repository
    left: int = TOTAL

    def resolve(self, wanted: str) -> Descriptor | None:
        """See `Repository.resolve`."""
        return self.inner.resolve(wanted)

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `Repository.read`."""
        descriptor.check_size(min(limit, self.left))
        self.left -= descriptor.size
        return self.inner.read(descriptor, limit)

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """See `Repository.referrers`."""
        return self.inner.referrers(digest)
