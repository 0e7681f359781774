"""Builds what runs: the filled program array, the dispatcher over it, and the state bound to it."""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from bpfman_core.dispatch import btf, state
from bpfman_core.dispatch.generate import generate
from bpfman_core.dispatch.hook import HookType
from bpfman_core.dispatch.members import Member
from bpfman_core.errors import Conflict, KernelError
from bpfman_core.kernel import maps, programs
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.maps import MapType
from bpfman_core.kernel.programs import RawProgram

TABLE_NAME = "bpfman_progs"


@dataclass(frozen=True)
class Built:
    """A dispatcher ready to be attached, and the program array whose pin keeps it filled."""

    dispatcher: Fd
    table: Fd


def build(hook: HookType, chain: Sequence[Member], document: bytes) -> Built:
    """Load a dispatcher for an ordered, checked chain; `document` is bound to it as its state.

    Raises Conflict where a program is gone or cannot be in a program array.
    """
    table = maps.create(MapType.PROG_ARRAY, value_size=4, entries=len(chain), name=TABLE_NAME)
    for index, member in enumerate(chain):  # filling it first saves a code patch per slot
        _fill(table, index, member)
    frags = hook.frags_flag if chain[0].frags else 0
    dispatcher = load(hook, [member.proceed_on for member in chain], table, flags=frags)
    state.bind(dispatcher, document)
    return Built(dispatcher, table)


def load(hook: HookType, proceed_on: Sequence[frozenset[int]], table: Fd, *, flags: int = 0) -> Fd:
    """Generate, describe and load a dispatcher over `table`."""
    generated = generate(proceed_on, table.fileno(), hook.verdicts)
    names = [name for name, _ in generated.functions]
    with programs.load_btf(btf.describe(names, hook.context)) as types:
        numbered = enumerate(generated.functions, btf.FIRST_FUNCTION)
        return programs.load(
            RawProgram(
                instructions=generated.code,
                kind=hook.kind,
                expected_attach_type=hook.expected_attach_type,
                name=f"bpfman_{hook.word}",
                flags=flags,
                btf=types,
                functions=[(offset, number) for number, (_, offset) in numbered],
            )
        )


def _fill(table: Fd, index: int, member: Member) -> None:
    try:
        with programs.open_by_id(member.program) as program:
            maps.update(table, struct.pack("=I", index), struct.pack("=I", program.fileno()))
    except KernelError as error:
        who = f"program {member.program} ({member.name})"
        if error.errno == errno.ENOENT:
            raise Conflict(f"{who} is no longer in the kernel", hint="detach its link") from None
        if error.errno == errno.EINVAL:
            raise Conflict(
                f"{who} cannot share a hook with others: the kernel keeps programs of its kind "
                "out of program arrays (bound to a device, or of another attach type)"
            ) from None
        raise
