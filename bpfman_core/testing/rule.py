"""The rule of a chain, as plainly as it can be said: what every dispatcher is compared with."""

from __future__ import annotations

from collections.abc import Sequence

from bpfman_core.dispatch.verdicts import Verdicts


def judge(
    verdicts: Verdicts, members: Sequence[int | None], proceed_on: Sequence[frozenset[int]]
) -> tuple[int, int]:
    """The verdict of a chain and how many of its members run.

    `members` are the codes that they return; None is an empty slot.
    """
    for index, (code, goes_on_at) in enumerate(zip(members, proceed_on, strict=True)):
        if code is None:
            return (verdicts.closed if index else verdicts.open), index
        if code not in goes_on_at:
            return verdicts.returned(code), index + 1
    return verdicts.end, len(members)
