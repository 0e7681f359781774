"""Small programs for tests of hooks: each gives the verdict it is told to, and counts its runs."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from bpfman_core.dispatch.asm import R0, Assembler
from bpfman_core.dispatch.hook import HookType
from bpfman_core.kernel import maps, programs
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.maps import MapType
from bpfman_core.kernel.programs import RawProgram

_ENTRY = struct.Struct("=Qi4x")  # runs, verdict


class Scripted:
    """Programs of one hook over one map, told by `script` what to return."""

    def __init__(self, hook: HookType, count: int, *, flags: int = 0) -> None:
        size = _ENTRY.size * count
        self._map = maps.create(MapType.ARRAY, value_size=size, entries=1, name="script")
        self.programs = [_load(hook, self._map, index, flags) for index in range(count)]
        self.ids = [programs.info(program).id for program in self.programs]

    def script(self, verdicts: Sequence[int]) -> None:
        """Set the first programs' verdicts, in order, and all counts to 0."""
        entries = b"".join(_ENTRY.pack(0, verdict) for verdict in verdicts)
        maps.update(self._map, bytes(4), entries.ljust(_ENTRY.size * len(self.programs), b"\0"))

    def counts(self) -> list[int]:
        """How often each program ran."""
        value = maps.lookup(self._map, bytes(4))
        return [runs for runs, _ in _ENTRY.iter_unpack(value)]

    def close(self) -> None:
        """Let go of the programs and the map."""
        for held in (*self.programs, self._map):
            held.close()

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()


def constant(hook: HookType, verdict: int, *, flags: int = 0) -> Fd:
    """A program that returns `verdict` and does nothing else."""
    asm = Assembler()
    asm.set32(R0, verdict)
    asm.exit()
    return _load_code(hook, asm.finish(), "constant", flags)


def _load(hook: HookType, script: Fd, index: int, flags: int) -> Fd:
    """r1 = &script[index]; lock r1->runs += 1; w0 = r1->verdict; exit."""
    code = (
        struct.pack("=BBhi", 0x18, 1 | 2 << 4, 0, script.fileno())  # BPF_PSEUDO_MAP_VALUE
        + struct.pack("=BBhi", 0, 0, 0, index * _ENTRY.size)
        + struct.pack("=BBhi", 0xB7, 2, 0, 1)
        + struct.pack("=BBhi", 0xDB, 1 | 2 << 4, 0, 0)
        + struct.pack("=BBhi", 0x61, 0 | 1 << 4, 8, 0)
        + struct.pack("=BBhi", 0x95, 0, 0, 0)
    )
    return _load_code(hook, code, f"scripted{index}", flags)


def _load_code(hook: HookType, code: bytes, name: str, flags: int) -> Fd:
    return programs.load(RawProgram(code, hook.kind, hook.expected_attach_type, name, flags))
