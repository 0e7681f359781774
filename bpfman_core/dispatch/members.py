"""The pure logic of a chain: who is in it, in which order, and whether that can work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bpfman_core.errors import Conflict, Full

CAPACITY = 32
"""Members of one chain. The kernel allows 33 tail calls in one run (MAX_TAIL_CALL_CNT), shared by
the dispatcher's slots and all members since Linux 6.12."""


@dataclass(frozen=True)
class Member:
    """One program in a chain.

    `link` is bpfman's link id, `program` the kernel's program id, `proceed_on` the return codes
    after which the next member runs. `tail_calls`: the program uses a program array of its own;
    `tail_calls_allowed`: the user accepts what that may cost the members behind it. `frags`: it
    was loaded for packets in several buffers.
    """

    link: int
    program: int
    name: str
    priority: int
    proceed_on: frozenset[int]
    tail_calls: bool = False
    tail_calls_allowed: bool = False
    frags: bool = False


def ordered(members: Iterable[Member]) -> tuple[Member, ...]:
    """By priority, lowest first; equals in the order they were attached. Raises as `check` does."""
    chain = tuple(sorted(members, key=lambda member: (member.priority, member.link)))
    check(chain)
    return chain


def position(chain: Sequence[Member], link: int) -> int | None:
    """The 0-based rank of a link in an ordered chain, None where it is not in it."""
    return next((rank for rank, member in enumerate(chain) if member.link == link), None)


def check(chain: Sequence[Member]) -> None:
    """Raises Full or Conflict where an ordered chain cannot run as it should."""
    if len(chain) > CAPACITY:
        raise Full(
            f"the hook already holds {CAPACITY} programs, the most there can be",
            hint="detach one first",
        )
    for member in chain[:-1]:
        if member.tail_calls and not member.tail_calls_allowed:
            raise Conflict(
                f"program {member.program} ({member.name}) makes tail calls, which use up those "
                "that the members behind it need",
                hint="give it the highest priority number, or attach it with --allow-tail-calls",
            )
    with_frags = [member for member in chain if member.frags]
    without = [member for member in chain if not member.frags]
    if with_frags and without:
        some, other = with_frags[0], without[0]
        raise Conflict(
            f"program {some.program} ({some.name}) was loaded with --frags and program "
            f"{other.program} ({other.name}) was not; the kernel does not mix the two in one chain",
            hint="load all with --frags, or none",
        )
