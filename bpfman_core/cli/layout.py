"""Rows and columns of text, and what stands in them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from bpfman_core.text import plain

_EMPTY = 15  # how long the line is in a block without rows


def block(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """A heading, a line as long as the labels are wide, and the rows aligned; ` NONE` without any.

    A text of several lines goes on below itself.
    """
    if not rows:
        return f" {title}\n{'-' * _EMPTY}\n NONE"
    width = max(len(label) for label, _ in rows) + 3
    lines = [f" {plain(title)}", "-" * width]
    for label, text in rows:
        first, *more = map(plain, text.split("\n"))
        lines.append(f" {label + ':':<{width - 1}} {first}".rstrip())
        lines += [" " * (width + 1) + line for line in more]
    return "\n".join(lines)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    rows = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    return "\n".join(
        (" " + "  ".join(map(str.ljust, row, widths))).rstrip() for row in (headings, *rows)
    )


def column(words: Iterable[object]) -> str:
    """One word a line, or `None`."""
    return "\n".join(plain(str(word)) for word in words) or "None"


def timestamp(seconds: float) -> str:
    """Local time, as `2023-07-17T17:48:10-0400`."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
