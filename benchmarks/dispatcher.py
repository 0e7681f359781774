"""Nanoseconds per packet: a chain, the same programs called directly, and one bare program.

By BPF_PROG_TEST_RUN, whose own loop is part of each figure; "per member" takes the bare program's
figure off both sides, which leaves what the members cost.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from benchmarks.result import Result, in_turn
from bpfman_core.dispatch import btf
from bpfman_core.dispatch.asm import R0, R1, R6, Assembler
from bpfman_core.dispatch.build import load
from bpfman_core.kernel import maps, programs
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.maps import MapType
from bpfman_core.kernel.programs import RawProgram
from bpfman_core.testing.hooks import XDP
from bpfman_core.testing.programs import constant

_LENGTHS = (1, 2, 4, 8, 16, 32)
_REPEAT = 200_000
_PASS = 2
_DEFAULT = XDP.verdicts.encode(XDP.verdicts.default)


def measure(rounds: int) -> Iterator[Result]:
    """Chains of several lengths, all of programs that return XDP_PASS."""
    bare = constant(XDP, _PASS)
    for length in _LENGTHS:
        chained, direct = _chained(bare, length), _direct(length)
        found = in_turn(
            {
                "chain": lambda chained=chained: _nanoseconds(chained[0]),
                "direct": lambda direct=direct: _nanoseconds(direct),
                "bare": lambda: _nanoseconds(bare),
            },
            rounds,
        )
        chain, called, loop = found["chain"], found["direct"], found["bare"]
        yield Result(f"chain of {length}", chain, "direct calls", called, "ns", 1.1)
        if called > loop:
            per_member = (chain - loop) / length, (called - loop) / length
            yield Result(
                f"chain of {length}, per member",
                per_member[0],
                "direct calls",
                per_member[1],
                "ns",
                1.1,
            )
        yield Result(f"chain of {length}", chain, "one bare program", loop, "ns")


def _nanoseconds(program: Fd) -> float:
    return programs.test_run(program, repeat=_REPEAT).nanoseconds


def _chained(member: Fd, length: int) -> tuple[Fd, Fd]:
    """A dispatcher over `length` times the same member, and its table."""
    table = maps.create(MapType.PROG_ARRAY, value_size=4, entries=length, name="bench")
    for index in range(length):
        maps.update(table, struct.pack("=I", index), struct.pack("=I", member.fileno()))
    return load(XDP, [_DEFAULT] * length, table), table


def _direct(length: int) -> Fd:
    """One program whose functions are the members, judged by the same comparisons."""
    asm = Assembler()
    asm.move(R6, R1)
    for index in range(length):
        asm.label(f"next{index}")
        if index:
            asm.move(R1, R6)
        asm.call(f"member{index}")
        asm.jump_unless_equal(R0, _PASS, f"other{index}")
    asm.label(f"next{length}")
    asm.set32(R0, _PASS)
    asm.exit()
    for index in range(length):
        asm.label(f"other{index}")
        asm.jump_if_equal(R0, 31, f"next{index + 1}")
        asm.exit()
    functions = [("main", 0)]
    for index in range(length):
        functions.append((f"member{index}", asm.position))
        asm.label(f"member{index}")
        asm.set32(R0, _PASS)
        asm.exit()
    with programs.load_btf(btf.describe([name for name, _ in functions], "xdp_md")) as types:
        numbered = enumerate(functions, btf.FIRST_FUNCTION)
        described = [(offset, number) for number, (_, offset) in numbered]
        return programs.load(
            RawProgram(
                asm.finish(),
                XDP.kind,
                XDP.expected_attach_type,
                "direct",
                btf=types,
                functions=described,
            )
        )
