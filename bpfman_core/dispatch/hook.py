"""What a plugin says of the hook that its chains sit on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bpfman_core.dispatch.verdicts import Verdicts
from bpfman_core.kernel.fd import Fd


@dataclass(frozen=True, eq=False)
class HookType:
    """A kind of multi-program hook.

    `kind` and `expected_attach_type` are those of the dispatcher and of every member alike: the
    kernel lets no others into one program array (commit 4540aed51b12). `context` is the C name
    of the structure that programs of this kind are given.
    """

    word: str
    kind: int
    expected_attach_type: int
    context: str
    verdicts: Verdicts
    frags_flag: int = 0


class Attach(Protocol):
    """Puts a dispatcher on an empty hook; gives the kernel's link."""

    def __call__(self, dispatcher: Fd, /) -> Fd:
        """Attach; raises KernelError, with EBUSY where somebody else's program is there."""
        ...
