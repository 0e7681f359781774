"""The dispatcher's code, run by an interpreter of the few instructions it is made of."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfman_core.dispatch.generate import MISSED, generate
from bpfman_core.dispatch.members import CAPACITY
from bpfman_core.testing.hooks import TC, XDP
from bpfman_core.testing.rule import judge

TABLE = 77
CONTEXT = object()

MOVE, SET64, SET32, LOAD_MAP = 0xBF, 0xB7, 0xB4, 0x18
JUMP, JEQ32, JNE32, CALL, EXIT = 0x05, 0x16, 0x56, 0x85, 0x95


@dataclass
class Machine:
    """Runs a dispatcher over members that return fixed codes; None is an empty slot."""

    code: bytes
    members: Sequence[int | None]
    ran: list[int] = field(default_factory=list)
    executed: set[int] = field(default_factory=set)
    registers: list[object] = field(default_factory=lambda: [None] * 11)

    def run(self, at: int = 0) -> int:
        """Interpret from instruction `at` to its exit; gives w0, signed."""
        if at == 0:
            self.registers[1] = CONTEXT
        while True:
            opcode, pair, offset, value = struct.unpack_from("=BBhi", self.code, 8 * at)
            dst, src = pair & 15, pair >> 4
            self.executed.add(at)
            at += 1
            if opcode == EXIT:
                return self.registers[0]
            if opcode == CALL and src == 1:
                self.call(at + value)
            elif opcode == CALL:
                assert value == 12
                if self.tail_call():
                    return self.registers[0]
            elif opcode == JUMP:
                at += offset
            elif opcode in (JEQ32, JNE32):
                equal = self.registers[dst] == value
                at += offset if equal == (opcode == JEQ32) else 0
            else:
                self.registers[dst] = self.loaded(opcode, src, value)
                at += opcode == LOAD_MAP

    def loaded(self, opcode: int, src: int, value: int) -> object:
        """What an assignment puts into its register."""
        if opcode == MOVE:
            return self.registers[src]
        if opcode == LOAD_MAP:
            assert src == 1
            return ("map", value)
        assert opcode in (SET64, SET32)
        return value

    def call(self, at: int) -> None:
        """A function call: r6 survives it, r1 to r5 do not."""
        saved = self.registers[6]
        result = self.run(at)
        self.registers = [result, *[None] * 5, saved, *[None] * 4]

    def tail_call(self) -> bool:
        """Become a member, if there is one in the slot."""
        context, table, index = self.registers[1:4]
        assert context is CONTEXT
        assert table == ("map", TABLE)
        self.registers[0] = self.members[index]
        if self.members[index] is not None:
            self.ran.append(index)
        return self.members[index] is not None


@st.composite
def cases(draw):
    hook = draw(st.sampled_from([XDP, TC]))
    known = sorted(hook.verdicts.codes.values())
    odd = [5, 31, 32, 63, -1, -2, 2**31 - 1, -(2**31)]
    likely = draw(st.frozensets(st.sampled_from(known), min_size=1))
    count = draw(st.integers(1, CAPACITY))
    several = {"min_size": count, "max_size": count}
    codes = st.sampled_from([*sorted(likely) * 20, *known, *odd, None])
    members = draw(st.lists(codes, **several))
    others = st.frozensets(st.sampled_from(known))
    sets = draw(st.lists(others.map(likely.union), **several))
    sets[draw(st.integers(0, count - 1))] = draw(others)
    return hook, members, sets


@given(cases())
def test_the_code_follows_the_rule(case) -> None:
    hook, members, sets = case
    machine = Machine(generate(sets, TABLE, hook.verdicts).code, members)
    verdict, count = judge(hook.verdicts, members, sets)
    assert machine.run() == verdict
    assert machine.ran == list(range(count))


@pytest.mark.parametrize("hook", [XDP, TC], ids=["xdp", "tc"])
@pytest.mark.parametrize("count", [1, 2, CAPACITY])
def test_members_of_the_usual_verdict_cost_three_instructions_and_a_slot(hook, count: int) -> None:
    usual = hook.verdicts.usual
    generated = generate([frozenset({usual})] * count, TABLE, hook.verdicts)
    machine = Machine(generated.code, [usual] * count)
    machine.run()
    slots = 3 * count  # load the map, set the index, call; the member returns past the rest
    assert len(machine.executed) == 1 + (3 * count - 1) + 2 + slots


def test_functions_are_named_where_they_start() -> None:
    generated = generate([frozenset({2}), frozenset({1, 2})], TABLE, XDP.verdicts)
    assert [name for name, _ in generated.functions] == ["dispatcher", "slot0", "slot1"]
    for name, at in generated.functions:
        listed = generated.listing.split(f"{name}:\n")[1]
        assert listed.startswith(f"{at:5}: ")


def test_what_cannot_be_reached_is_left_out() -> None:
    """The verifier refuses unreachable instructions."""
    generated = generate([frozenset({2}), frozenset(), frozenset({2})], TABLE, XDP.verdicts)
    assert len(generated.functions) == 3
    assert "slot2" not in generated.listing


def test_missed_is_the_verdict_of_no_hook() -> None:
    for hook in (XDP, TC):
        assert MISSED not in hook.verdicts.codes.values()
