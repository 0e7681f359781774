"""A signature as it was found: not yet believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bpfman_core.errors import Untrusted

if TYPE_CHECKING:
    from bpfman_core.image.signing.trust import Trust

LIMIT = 1 << 20
"""The most bytes that one signature may have."""

MANY = 256
"""The most signatures that an image may have in the old form, and the most referrers."""


class Signature(Protocol):
    """Anything that claims to be a signature of an image."""

    def verify(self, digest: str, trust: Trust) -> str:
        """By whom it is, in words; raises Untrusted unless it is theirs, and of that digest."""
        ...


@dataclass(frozen=True)
class Unknown:
    """A signature of a form that is not known here: it never counts, but it is one."""

    reason: str

    def verify(self, digest: str, trust: Trust) -> str:
        """See `Signature.verify`."""
        raise Untrusted(self.reason)
