"""Generates the dispatcher for exactly the members of one chain.

The hot path of a member is three instructions: hand over the context, call its slot, compare the
verdict with the usual one. All else lies out of line. `docs/dispatcher.md` explains the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bpfman_core.dispatch.asm import R0, R1, R2, R3, R6, TAIL_CALL, Assembler
from bpfman_core.dispatch.verdicts import Verdicts

MISSED = 0x6D697373
"""What a slot returns when its tail call did not happen; no verdict of any hook."""


@dataclass(frozen=True)
class Dispatcher:
    """Generated code. `functions` are (name, instruction offset), the main function first."""

    code: bytes
    functions: tuple[tuple[str, int], ...]
    listing: str


def generate(chain: Sequence[frozenset[int]], table: int, verdicts: Verdicts) -> Dispatcher:
    """A dispatcher for a chain of at least one member, given their proceed-on sets in order.

    `table` is the descriptor of the program array whose element i is member i. A member with an
    empty proceed-on set ends the chain: those behind it are left out, as they cannot run.
    """
    reached = _reachable(chain)
    asm = Assembler()
    asm.label("dispatcher")
    asm.move(R6, R1)
    for index, proceed_on in enumerate(reached):
        _call_member(asm, index, proceed_on, verdicts)
    if reached[-1]:
        asm.label(f"next{len(reached)}")
        asm.set32(R0, verdicts.end)
        asm.exit()
    for index, proceed_on in enumerate(reached):
        if proceed_on:
            _judge(asm, index, proceed_on, verdicts)
    _return(asm, "open", verdicts.open)
    if len(reached) > 1:
        _return(asm, "closed", verdicts.closed)
    if verdicts.returns:
        _translate(asm, verdicts)
    functions = [("dispatcher", 0)]
    for index in range(len(reached)):
        functions.append((f"slot{index}", asm.position))
        _slot(asm, index, table)
    return Dispatcher(asm.finish(), tuple(functions), asm.listing())


def _reachable(chain: Sequence[frozenset[int]]) -> Sequence[frozenset[int]]:
    for index, proceed_on in enumerate(chain):
        if not proceed_on:
            return chain[: index + 1]
    return chain


def _hot(proceed_on: frozenset[int], verdicts: Verdicts) -> int:
    return verdicts.usual if verdicts.usual in proceed_on else min(proceed_on)


def _call_member(
    asm: Assembler, index: int, proceed_on: frozenset[int], verdicts: Verdicts
) -> None:
    """Run member `index`; fall through to the next one, or leave for `other<index>`."""
    if index:
        asm.label(f"next{index}")
        asm.move(R1, R6)
    asm.call(f"slot{index}")
    if proceed_on:
        asm.jump_unless_equal(R0, _hot(proceed_on, verdicts), f"other{index}")
    else:
        _end_with_verdict(asm, index, verdicts)


def _judge(asm: Assembler, index: int, proceed_on: frozenset[int], verdicts: Verdicts) -> None:
    """The verdict was not the usual one: go on for the others in the set, else it is final."""
    asm.label(f"other{index}")
    for code in sorted(proceed_on - {_hot(proceed_on, verdicts)}):
        asm.jump_if_equal(R0, code, f"next{index + 1}")
    _end_with_verdict(asm, index, verdicts)


def _end_with_verdict(asm: Assembler, index: int, verdicts: Verdicts) -> None:
    """Return the member's verdict, unless it did not run at all."""
    asm.jump_if_equal(R0, MISSED, "closed" if index else "open")
    if verdicts.returns:
        asm.jump("final")
    else:
        asm.exit()


def _translate(asm: Assembler, verdicts: Verdicts) -> None:
    """Return what the kernel is to be given for a final verdict, where that is another code."""
    asm.label("final")
    for code, returned in verdicts.returns.items():
        asm.jump_if_equal(R0, code, f"return{returned}")
    asm.set32(R0, verdicts.unknown)
    asm.exit()
    for returned in dict.fromkeys(verdicts.returns.values()):
        _return(asm, f"return{returned}", returned)


def _return(asm: Assembler, label: str, verdict: int) -> None:
    asm.label(label)
    asm.set32(R0, verdict)
    asm.exit()


def _slot(asm: Assembler, index: int, table: int) -> None:
    """A function that becomes member `index`, or says that it could not.

    With a constant index the JIT turns the tail call into a direct jump (x86-64: poke descriptors).
    """
    asm.label(f"slot{index}")
    asm.load_map(R2, table)
    asm.set64(R3, index)
    asm.call_helper(TAIL_CALL, "tail_call")
    asm.set32(R0, MISSED)
    asm.exit()
