"""A small BPF assembler: just the instructions that a dispatcher is made of.

Encoding: Documentation/bpf/standardization/instruction-set.rst of Linux 6.12. Every instruction is
8 bytes; a load of a map takes two. Jumps and calls name labels, resolved when the code is finished.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

R0, R1, R2, R3, R6 = 0, 1, 2, 3, 6

_MOV64 = 0xBF
_MOV64_IMM = 0xB7
_MOV32_IMM = 0xB4
_LOAD64_IMM = 0x18
_JUMP = 0x05
_JEQ32_IMM = 0x16
_JNE32_IMM = 0x56
_CALL = 0x85
_EXIT = 0x95

_PSEUDO_MAP_FD = 1
_PSEUDO_CALL = 1
TAIL_CALL = 12  # BPF_FUNC_tail_call


@dataclass(frozen=True)
class Instruction:
    """One instruction; `text` is how a listing shows it, with `{target}` for a label's address."""

    opcode: int
    text: str
    dst: int = 0
    src: int = 0
    immediate: int = 0
    target: str | None = None
    words: int = 1


@dataclass
class Assembler:
    """Collects instructions and labels. The methods return nothing: order is the order of calls."""

    _code: list[tuple[int, Instruction]] = field(default_factory=list)
    _labels: dict[str, int] = field(default_factory=dict)
    _next: int = 0

    @property
    def position(self) -> int:
        """Where the next instruction goes, in units of 8 bytes."""
        return self._next

    def label(self, name: str) -> None:
        """Name this place. A name is given once."""
        if name in self._labels:
            raise ValueError(f"label {name!r} is there already")
        self._labels[name] = self._next

    def move(self, dst: int, src: int) -> None:
        """Set dst = src, 64 bits."""
        self._emit(Instruction(_MOV64, f"r{dst} = r{src}", dst, src))

    def set64(self, dst: int, value: int) -> None:
        """Set dst = value, sign-extended to 64 bits."""
        self._emit(Instruction(_MOV64_IMM, f"r{dst} = {value}", dst, immediate=value))

    def set32(self, dst: int, value: int) -> None:
        """The lower half of dst = value, the upper half = 0."""
        self._emit(Instruction(_MOV32_IMM, f"w{dst} = {_shown(value)}", dst, immediate=value))

    def load_map(self, dst: int, descriptor: int) -> None:
        """Set dst = the map that this process has open as `descriptor`."""
        text = f"r{dst} = map[progs]"
        self._emit(
            Instruction(_LOAD64_IMM, text, dst, _PSEUDO_MAP_FD, immediate=descriptor, words=2)
        )

    def jump(self, target: str) -> None:
        """Jump in any case."""
        self._emit(Instruction(_JUMP, f"goto {target}@{{target}}", target=target))

    def jump_if_equal(self, register: int, value: int, target: str) -> None:
        """Jump where the lower half of `register` equals `value`."""
        self._compare(_JEQ32_IMM, "==", register, value, target)

    def jump_unless_equal(self, register: int, value: int, target: str) -> None:
        """Jump where the lower half of `register` differs from `value`."""
        self._compare(_JNE32_IMM, "!=", register, value, target)

    def call_helper(self, number: int, name: str) -> None:
        """Call a kernel helper."""
        self._emit(Instruction(_CALL, f"call {name}#{number}", immediate=number))

    def call(self, target: str) -> None:
        """Call a function of this program."""
        text = f"call {target}@{{target}}"
        self._emit(Instruction(_CALL, text, src=_PSEUDO_CALL, target=target))

    def exit(self) -> None:
        """Return r0."""
        self._emit(Instruction(_EXIT, "exit"))

    def finish(self) -> bytes:
        """The machine code. Raises KeyError for a label that was never placed."""
        return b"".join(self._encode(at, instruction) for at, instruction in self._code)

    def listing(self) -> str:
        """The code as text, one instruction a line, labels as headings."""
        names: dict[int, list[str]] = {}
        for name, at in self._labels.items():
            names.setdefault(at, []).append(name)
        lines: list[str] = []
        for at, instruction in self._code:
            lines += [f"{name}:" for name in names.get(at, [])]
            where = self._labels[instruction.target] if instruction.target else 0
            lines.append(f"{at:5}: {instruction.text.format(target=where)}")
        return "\n".join(lines)

    def _emit(self, instruction: Instruction) -> None:
        self._code.append((self._next, instruction))
        self._next += instruction.words

    def _compare(self, opcode: int, sign: str, register: int, value: int, target: str) -> None:
        text = f"if w{register} {sign} {_shown(value)} goto {target}@{{target}}"
        self._emit(Instruction(opcode, text, register, immediate=value, target=target))

    def _encode(self, at: int, instruction: Instruction) -> bytes:
        distance = self._labels[instruction.target] - at - 1 if instruction.target else 0
        calls = instruction.src == _PSEUDO_CALL and instruction.opcode == _CALL
        offset, immediate = (0, distance) if calls else (distance, instruction.immediate)
        registers = instruction.dst | instruction.src << 4
        low = (immediate & 0xFFFFFFFF).to_bytes(4, "little")
        first = struct.pack("<BBh", instruction.opcode, registers, offset) + low
        return first.ljust(8 * instruction.words, b"\0")


def _shown(value: int) -> str:
    return hex(value) if value > 0xFFFF else str(value)
