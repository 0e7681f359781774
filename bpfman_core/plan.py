"""A change as steps, each with its undo."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType

_log = logging.getLogger(__name__)


class Plan:
    """Collects the undo of every step done; leaving the block with an exception runs them.

        with Plan() as plan:
            pin(fd, path)
            plan.undo("unpin the program", lambda: unpin(path))

    They run in reverse. An undo that fails is logged and hides neither the others nor the cause.
    """

    def __init__(self) -> None:
        self._undo: list[tuple[str, Callable[[], object]]] = []

    def undo(self, name: str, action: Callable[[], object]) -> None:
        """Remember how to take back what was just done."""
        self._undo.append((name, action))

    def __enter__(self) -> Plan:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            return
        for name, action in reversed(self._undo):
            try:
                action()
            except Exception as failure:
                _log.error("could not undo: %s: %s", name, failure)
