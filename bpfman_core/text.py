"""Text that may come from anywhere, made fit for a terminal."""

from __future__ import annotations


def plain(text: str) -> str:
    """One line of what a terminal shows as it stands: nothing moves its cursor."""
    return "".join(one if one.isprintable() else " " if one.isspace() else "?" for one in text)
