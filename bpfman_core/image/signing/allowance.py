"""How much may be read in search of an image's signatures, whoever keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from bpfman_core.errors import InvalidObject
from bpfman_core.image.descriptor import Descriptor
from bpfman_core.image.repository import Repository

TOTAL = 32 << 20  # bytes
READS = 1024


@dataclass
class Allowance:
    """A repository of which `left` bytes can be read, `reads` times; then all is InvalidObject."""

    inner: Repository
    left: int = TOTAL
    reads: int = READS

    def resolve(self, wanted: str) -> Descriptor | None:
        """See `Repository.resolve`."""
        return self.inner.resolve(wanted)

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `Repository.read`."""
        descriptor.check_size(min(limit, self.left))
        if not self.reads:
            raise InvalidObject("the image has more about it than can be looked at")
        self.reads -= 1
        self.left -= descriptor.size
        return self.inner.read(descriptor, limit)

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """See `Repository.referrers`."""
        return self.inner.referrers(digest)
