"""Text that may come from anywhere, made fit for a terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """All of a text in one line, its blanks and line ends each a space."""
    return " ".join(plain(text).split())


def plain(text: str) -> str:
    """One line of what a terminal shows as it stands: nothing moves its cursor."""
    return "".join(one if one.isprintable() else " " if one.isspace() else "?" for one in text)
