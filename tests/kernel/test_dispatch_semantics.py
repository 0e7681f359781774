"""Random chains on the running kernel: verdicts, and the members that ran, follow the rule."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfman_core.dispatch.build import load
from bpfman_core.dispatch.hook import HookType
from bpfman_core.dispatch.members import CAPACITY
from bpfman_core.dispatch.selftest import require_dispatcher
from bpfman_core.kernel import maps, programs
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.maps import MapType
from bpfman_core.testing.hooks import TC, XDP
from bpfman_core.testing.programs import Scripted, constant
from bpfman_core.testing.rule import judge
from bpfman_core.testing.waiting import wait_until

pytestmark = pytest.mark.kernel

ODD = (5, 31, 32, 63, 255, -1, -2, 2**31 - 1, -(2**31))
"""Codes that no hook knows, or that alias a known one where a mask is shifted by them."""


@pytest.fixture(scope="module", params=[XDP, TC], ids=["xdp", "tc"])
def hook(request: pytest.FixtureRequest) -> HookType:
    require_dispatcher(request.param)
    return request.param


@pytest.fixture(scope="module")
def members(hook: HookType) -> Iterator[Scripted]:
    with Scripted(hook, CAPACITY) as scripted:
        yield scripted


def table_of(programs_or_none: Sequence[Fd | None]) -> Fd:
    count = len(programs_or_none)
    table = maps.create(MapType.PROG_ARRAY, value_size=4, entries=count, name="semantics")
    for index, program in enumerate(programs_or_none):
        if program is not None:
            value = struct.pack("=I", program.fileno())
            maps.update(table, struct.pack("=I", index), value)
    return table


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_chain_judges_as_the_rule_says(hook: HookType, members: Scripted, data) -> None:
    known = sorted(hook.verdicts.codes.values())
    count = data.draw(st.integers(1, CAPACITY), label="members")
    likely = data.draw(st.frozensets(st.sampled_from(known), min_size=1), label="likely")
    several = {"min_size": count, "max_size": count}
    codes = st.sampled_from([*sorted(likely) * 20, *known, *ODD])
    verdicts = data.draw(st.lists(codes, **several), label="verdicts")
    others = st.frozensets(st.sampled_from(known))
    sets = data.draw(st.lists(others.map(likely.union), **several), label="proceed-on")
    sets[data.draw(st.integers(0, count - 1), label="odd one")] = data.draw(others)
    missing = data.draw(st.none() | st.integers(0, count - 1), label="empty slot")

    members.script(verdicts)
    slots = [None if slot == missing else members.programs[slot] for slot in range(count)]
    codes_or_none = [None if slot == missing else verdicts[slot] for slot in range(count)]
    with table_of(slots) as table, load(hook, sets, table) as dispatcher:
        verdict = programs.test_run(dispatcher).verdict

    wanted, ran = judge(hook.verdicts, codes_or_none, sets)
    assert verdict == wanted & 0xFFFFFFFF
    assert members.counts() == [1] * ran + [0] * (CAPACITY - ran)


def test_every_verdict_in_every_set_of_one(hook: HookType, members: Scripted) -> None:
    """All pairs of what a member says and what lets the next one run."""
    codes = sorted({*hook.verdicts.codes.values(), *ODD})
    for proceed in hook.verdicts.codes.values():
        sets = [frozenset({proceed}), frozenset()]
        with table_of(members.programs[:2]) as table, load(hook, sets, table) as dispatcher:
            for code in codes:
                members.script([code, 77])
                got = programs.test_run(dispatcher).verdict
                final = hook.verdicts.returned(77 if code == proceed else code)
                assert got == final & 0xFFFFFFFF, (proceed, code)


def test_a_full_chain_runs_to_its_end(hook: HookType, members: Scripted) -> None:
    usual = hook.verdicts.usual
    members.script([usual] * CAPACITY)
    sets = [frozenset({usual})] * CAPACITY
    with table_of(members.programs) as table, load(hook, sets, table) as dispatcher:
        got = programs.test_run(dispatcher, repeat=100)
    assert got.verdict == hook.verdicts.end
    assert members.counts() == [100] * CAPACITY


def test_an_emptied_table_is_open(hook: HookType, members: Scripted) -> None:
    """The kernel empties a program array when its last descriptor and pin go, dispatcher or not."""
    members.script([1, 1])
    sets = [frozenset({hook.verdicts.usual})] * 2
    table = table_of(members.programs[:2])
    with load(hook, sets, table) as dispatcher:
        final = hook.verdicts.returned(1) & 0xFFFFFFFF
        assert programs.test_run(dispatcher).verdict == final
        table.close()
        wait_until(
            lambda: programs.test_run(dispatcher).verdict == hook.verdicts.open,
            "the table is empty, and so the hook open",
        )


def test_a_member_needs_no_btf(hook: HookType) -> None:
    with constant(hook, 7) as program:
        assert programs.info(program).btf_id is None
        with table_of([program]) as table, load(hook, [frozenset()], table) as dispatcher:
            assert programs.info(dispatcher).btf_id is not None
            assert programs.test_run(dispatcher).verdict == 7
