"""One owner per file descriptor."""

from __future__ import annotations

import os
from types import TracebackType


class Fd:
    """An open file descriptor, closed by its owner: explicitly, by `with`, or when dropped."""

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        """The descriptor's number. Raises ValueError once closed."""
        if self._number < 0:
            raise ValueError("file descriptor is closed")
        return self._number

    def close(self) -> None:
        """Close it; a second call does nothing."""
        if self._number >= 0:
            number, self._number = self._number, -1
            os.close(number)

    def __enter__(self) -> Fd:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Fd({self._number})"
