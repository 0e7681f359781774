"""docs/dispatcher.md says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bpfman_core.dispatch import state
from bpfman_core.dispatch.generate import MISSED, generate
from bpfman_core.dispatch.members import CAPACITY, Member
from bpfman_core.testing.hooks import TC, XDP

TEXT = (Path(__file__).parents[2] / "docs" / "dispatcher.md").read_text()


def test_the_listing_is_the_generators() -> None:
    sets = [XDP.verdicts.encode(["pass"]), XDP.verdicts.encode(["pass", "drop"])]
    assert f"```\n{generate(sets, 0, XDP.verdicts).listing}\n```" in TEXT


@pytest.mark.parametrize(("hook", "word"), [(XDP, "XDP"), (TC, "TC")])
def test_the_verdict_table_is_the_hooks(hook, word: str) -> None:
    verdicts = hook.verdicts
    code = {name: f"{name} {number}" for name, number in verdicts.codes.items()}
    name = {number: text for text, number in verdicts.codes.items()}
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| {word} |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert f"attach type {hook.expected_attach_type}" in cells[1]
    assert cells[2] == ", ".join(code.values())
    assert cells[3] == ", ".join(verdicts.default)
    ends = (verdicts.end, verdicts.open, verdicts.closed)
    assert cells[4:] == [code[name[number]] for number in ends]


def test_the_state_is_what_is_bound() -> None:
    member = Member(7, 6213, "xdp_counter", 50, frozenset({2}))
    shown = re.search(r"```json\n(.*?)```", TEXT, re.DOTALL)[1]
    assert json.loads(shown) == json.loads(state.encode([member], {}))
    assert state.decode(shown.encode()).members == (member,)
    assert f"`{state.MAP_NAME}`" in TEXT


def test_the_sizes_are_the_generators() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| \d+ \|$", TEXT, re.MULTILINE)
    assert len(rows) == 4
    for members, instructions in rows:
        sets = [XDP.verdicts.encode(["pass"])] * int(members)
        assert len(generate(sets, 0, XDP.verdicts).code) == 8 * int(instructions)


def test_the_numbers_in_the_text() -> None:
    assert f"up to {CAPACITY}" in TEXT
    assert f"`{MISSED:#x}`" in TEXT
