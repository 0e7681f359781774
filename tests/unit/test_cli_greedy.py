"""Lists on the command line, in both spellings."""

from __future__ import annotations

import click
import pytest

from bpfman_core.cli.greedy import ListOption, spread

PARAMS = [
    ListOption(["-g", "--global"], belongs=lambda word: "=" in word),
    ListOption(["--proceed-on"], belongs=("pass", "drop").__contains__),
    click.Option(["-p", "--path"]),
    click.Option(["--all"], is_flag=True),
]


@pytest.mark.parametrize(
    ("words", "spread_out"),
    [
        ("-g A=1 B=2", "-g A=1 -g B=2"),
        ("-g A=1 -g B=2", "-g A=1 -g B=2"),
        ("--global=A=1 B=2", "--global=A=1 --global B=2"),
        ("--proceed-on pass drop other", "--proceed-on pass --proceed-on drop other"),
        ("-g A=1 --all B=2", "-g A=1 --all B=2"),
        ("-p A=1 B=2", "-p A=1 B=2"),
        ("-g A=1 -- B=2", "-g A=1 -- B=2"),
        ("-g", "-g"),
        ("3 --proceed-on pass drop", "3 --proceed-on pass --proceed-on drop"),
    ],
)
def test_spread(words: str, spread_out: str) -> None:
    assert spread(words.split(), PARAMS) == spread_out.split()


def test_the_words_of_a_command_are_left_alone() -> None:
    words = ["-g", "A=1", "B=2", "xdp", "-g", "A=1", "B=2"]
    assert spread(words, PARAMS, stop_at_word=True) == [
        "-g",
        "A=1",
        "-g",
        "B=2",
        "xdp",
        "-g",
        "A=1",
        "B=2",
    ]
    words = ["--path", "xdp", "xdp", "-g", "A=1", "B=2"]
    assert spread(words, PARAMS, stop_at_word=True) == words
