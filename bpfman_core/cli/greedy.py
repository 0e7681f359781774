"""Lists on the command line, in both spellings: `-g A=1 -g B=2` and `-g A=1 B=2`.

A list ends at the first word that cannot belong to it, so that words after it keep their meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click


class ListOption(click.Option):
    """An option that may be repeated, or be followed by several words.

    `belongs` says whether a word that follows can be one of its values.
    """

    def __init__(
        self, names: Sequence[str], *, belongs: Callable[[str], bool], **settings: Any
    ) -> None:
        super().__init__(names, **{**settings, "multiple": True})
        self.belongs = belongs


class GreedyCommand(click.Command):
    """A command with list options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the flag before each further word of a list."""
        return super().parse_args(ctx, spread(args, self.params))


class GreedyGroup(click.Group):
    """A group with list options; the words of its commands are left alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the flag before each further word of a list."""
        return super().parse_args(ctx, spread(args, self.params, stop_at_word=True))


def spread(
    words: Sequence[str], params: Sequence[click.Parameter], *, stop_at_word: bool = False
) -> list[str]:
    """`words` with every list in its long spelling, up to `--` or the word of a command."""
    options = {flag: param for param in params for flag in param.opts}
    result: list[str] = []
    rest = list(words)
    while rest and rest[0] != "--" and not (stop_at_word and not rest[0].startswith("-")):
        word = rest.pop(0)
        result.append(word)
        flag, sign, _ = word.partition("=")
        option = options.get(flag)
        if not isinstance(option, click.Option) or option.is_flag:
            continue
        if not sign and rest:
            result.append(rest.pop(0))
        if isinstance(option, ListOption):
            while rest and not rest[0].startswith("-") and option.belongs(rest[0]):
                result += [flag, rest.pop(0)]
    return result + rest
