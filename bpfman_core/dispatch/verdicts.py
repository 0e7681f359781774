"""What a hook's return codes are called, and what they mean to a chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bpfman_core.errors import InvalidRequest, did_you_mean


@dataclass(frozen=True)
class Verdicts:
    """The verdict table of a multi-program hook. All values are return codes of the hook.

    codes    every code by its name, as users write it
    default  the names in the proceed-on set of a member that asks for nothing else
    usual    the code most members return: it costs one comparison that does not jump
    end      the verdict when the last member's code was in its proceed-on set
    open     the verdict when slot 0 is empty: the table is gone, so nobody guards this hook now
    closed   the verdict when a later slot did not run: a member that should have judged did not
    returns  what the kernel is given for a member's final code; empty: the code itself
    unknown  what it is given for a code that is not in `returns`, if that is not empty
    """

    codes: Mapping[str, int]
    default: tuple[str, ...]
    usual: int
    end: int
    open: int
    closed: int
    returns: Mapping[int, int] = field(default_factory=dict)
    unknown: int = 0

    def returned(self, code: int) -> int:
        """What the kernel is given where `code` is final."""
        return self.returns.get(code, self.unknown) if self.returns else code

    def encode(self, names: Iterable[str]) -> frozenset[int]:
        """Codes of the named verdicts. Raises InvalidRequest for a name that is none."""
        return frozenset(self._code(name) for name in names)

    def names(self, codes: Iterable[int]) -> tuple[str, ...]:
        """The names of some codes, in the table's order."""
        wanted = set(codes)
        return tuple(name for name, code in self.codes.items() if code in wanted)

    def _code(self, name: str) -> int:
        if name not in self.codes:
            raise InvalidRequest(
                f"{name!r} is no verdict of this hook; there are: {', '.join(self.codes)}",
                hint=did_you_mean(name, self.codes),
            )
        return self.codes[name]
