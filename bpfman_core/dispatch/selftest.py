"""Proves on the running kernel that a dispatcher judges as it should, before one is trusted.

A dispatcher whose slots a verifier or JIT misunderstands looks healthy and lets every packet pass,
so this asks the kernel itself (BPF_PROG_TEST_RUN), in about a millisecond.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache

from bpfman_core.dispatch.asm import R0, Assembler
from bpfman_core.dispatch.build import load
from bpfman_core.dispatch.hook import HookType
from bpfman_core.errors import KernelError, Unsupported
from bpfman_core.kernel import maps, programs
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.maps import MapType
from bpfman_core.kernel.programs import RawProgram


@cache
def require_dispatcher(hook: HookType) -> None:
    """Raise Unsupported unless dispatchers for `hook` judge right here; runs once in a process."""
    verdicts = hook.verdicts
    go_on, final = verdicts.usual, min(set(verdicts.codes.values()) - {verdicts.usual})
    cases = (
        ("a final verdict is final", [final, go_on], final),
        ("a usual verdict goes on", [go_on, final], final),
        ("the last verdict ends the chain", [go_on, go_on], verdicts.end),
        ("an empty first slot is open", [None, final], verdicts.open),
        ("an empty later slot is closed", [go_on, None], verdicts.closed),
    )
    for meaning, members, wanted in cases:
        got = _verdict(hook, members)
        if got != wanted & 0xFFFFFFFF:
            raise Unsupported(
                f"this kernel runs the {hook.word} dispatcher wrongly: {meaning}, but it gave "
                f"{got} for {wanted}",
                feature="dispatcher",
            )


def _verdict(hook: HookType, members: Sequence[int | None]) -> int:
    table = maps.create(MapType.PROG_ARRAY, value_size=4, entries=len(members), name="bpfman_test")
    for index, code in enumerate(members):
        if code is not None:
            with _member(hook, code) as program:
                value = struct.pack("=I", program.fileno())
                maps.update(table, struct.pack("=I", index), value)
    proceed_on = frozenset({hook.verdicts.usual})
    try:
        with load(hook, [proceed_on] * len(members), table) as dispatcher:
            return programs.test_run(dispatcher).verdict
    except KernelError as error:
        raise Unsupported(
            f"this kernel refuses the {hook.word} dispatcher: {error.message}",
            feature="dispatcher",
            hint="it needs BTF and tail calls in functions: x86-64 Linux 5.10, arm64 6.0",
        ) from error


def _member(hook: HookType, code: int) -> Fd:
    asm = Assembler()
    asm.set32(R0, code)
    asm.exit()
    return programs.load(
        RawProgram(asm.finish(), hook.kind, hook.expected_attach_type, "bpfman_test")
    )
