"""BPF programs: load raw instructions, run one on test input, and what the kernel says of one."""

from __future__ import annotations

import errno
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from bpfman_core.errors import KernelError
from bpfman_core.kernel.attr import Buffer, address, buffer, pack, room
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.maps import raw_info
from bpfman_core.kernel.syscall import Command, bpf
from bpfman_core.model import KernelProgram

XDP_HAS_FRAGS = 1 << 5  # BPF_F_XDP_HAS_FRAGS, Linux 5.18

_INFO_SIZE = 232  # struct bpf_prog_info of Linux 6.1
_LOG_SIZE = 1 << 20


class ProgramKind(IntEnum):
    """enum bpf_prog_type of Linux 6.12, by the kernel's own words for them."""

    UNSPEC = 0
    SOCKET_FILTER = 1
    KPROBE = 2
    SCHED_CLS = 3
    SCHED_ACT = 4
    TRACEPOINT = 5
    XDP = 6
    PERF_EVENT = 7
    CGROUP_SKB = 8
    CGROUP_SOCK = 9
    LWT_IN = 10
    LWT_OUT = 11
    LWT_XMIT = 12
    SOCK_OPS = 13
    SK_SKB = 14
    CGROUP_DEVICE = 15
    SK_MSG = 16
    RAW_TRACEPOINT = 17
    CGROUP_SOCK_ADDR = 18
    LWT_SEG6LOCAL = 19
    LIRC_MODE2 = 20
    SK_REUSEPORT = 21
    FLOW_DISSECTOR = 22
    CGROUP_SYSCTL = 23
    RAW_TRACEPOINT_WRITABLE = 24
    CGROUP_SOCKOPT = 25
    TRACING = 26
    STRUCT_OPS = 27
    EXT = 28
    LSM = 29
    SK_LOOKUP = 30
    SYSCALL = 31
    NETFILTER = 32


def kind_name(number: int) -> str:
    """The word for a program type number, such as `xdp`; `type 99` for one this table lacks."""
    try:
        return ProgramKind(number).name.lower()
    except ValueError:
        return f"type {number}"


@dataclass(frozen=True)
class RawProgram:
    """A program to load without an ELF object.

    `functions` pairs the instruction offset of every function with its type id in `btf`.
    """

    instructions: bytes
    kind: int
    expected_attach_type: int
    name: str
    flags: int = 0
    btf: Fd | None = None
    functions: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True)
class TestRun:
    """What BPF_PROG_TEST_RUN gave: the verdict, the mean duration in ns, the packet afterwards."""

    __test__ = False  # not for pytest
    verdict: int
    nanoseconds: int
    packet: bytes


def load(program: RawProgram) -> Fd:
    """Load a program under the GPL. Raises KernelError; its detail ends the verifier's log."""
    try:
        return _load(program, None)
    except KernelError as error:
        log = room(_LOG_SIZE)
        try:
            return _load(program, log)
        except KernelError:
            text = log.value.decode(errors="replace").strip()
            raise KernelError(error.call, error.errno, detail=text[-2000:]) from None


def _load(program: RawProgram, log: Buffer | None) -> Fd:
    code, licence = buffer(program.instructions), buffer(b"GPL\0")
    functions = buffer(b"".join(struct.pack("=II", *entry) for entry in program.functions))
    described = program.btf is not None
    attributes = pack(
        "IIQQ" + "IIQII" + "16sII" + "IIQI",
        *(program.kind, len(program.instructions) // 8, address(code), address(licence)),
        *(1 if log else 0, len(log) if log else 0, address(log), 0, program.flags),
        *(program.name.encode()[:15], 0, program.expected_attach_type),
        program.btf.fileno() if program.btf else 0,
        *(8, address(functions), len(program.functions)) if described else (0, 0, 0),
        size=152,
    )
    return Fd(bpf(Command.PROG_LOAD, attributes))


def load_btf(data: bytes) -> Fd:
    """Load a BTF type table."""
    held = buffer(data)
    return Fd(bpf(Command.BTF_LOAD, pack("QQI", address(held), 0, len(data), size=32)))


def bind_map(program: Fd, map_fd: Fd) -> None:
    """Tie a map's life to a program that does not use it (Linux 5.10)."""
    bpf(Command.PROG_BIND_MAP, pack("III", program.fileno(), map_fd.fileno(), 0))


def test_run(program: Fd, packet: bytes = bytes(64), *, repeat: int = 1) -> TestRun:
    """Run a network program `repeat` times on a packet of its own."""
    sent, received = buffer(packet), room(len(packet) + 256)
    attributes = pack(
        "IIIIQQII",
        *(program.fileno(), 0, len(packet), len(received), address(sent), address(received)),
        *(repeat, 0),
        size=80,
    )
    bpf(Command.PROG_TEST_RUN, attributes)
    _, verdict, _, length, _, _, _, duration = struct.unpack_from("=IIIIQQII", attributes.raw)
    return TestRun(verdict, duration, received.raw[:length])


def open_by_id(program_id: int) -> Fd:
    """A descriptor of the program with this kernel id; KernelError with ENOENT if none has it."""
    return Fd(bpf(Command.PROG_GET_FD_BY_ID, pack("III", program_id, 0, 0)))


def name(program_id: int) -> str:
    """The name of the program with this kernel id, empty if it has none or is gone."""
    try:
        with open_by_id(program_id) as program:
            return info(program).name
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise
        return ""


def exists(program_id: int) -> bool:
    """Whether the kernel has a program with this id."""
    try:
        open_by_id(program_id).close()
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return True


def ids() -> Iterator[int]:
    """The ids of all programs in the kernel, ascending."""
    current = 0
    while True:
        attributes = pack("III", current, 0, 0)
        try:
            bpf(Command.PROG_GET_NEXT_ID, attributes)
        except KernelError as error:
            if error.errno == errno.ENOENT:
                return
            raise
        current = struct.unpack_from("=II", attributes.raw)[1]
        yield current


def info(program: Fd) -> KernelProgram:
    """What the kernel says of a program: two calls, and its fdinfo for the memory it holds."""
    data = raw_info(program, _INFO_SIZE)
    count = struct.unpack_from("=I", data, 52)[0]
    map_ids: tuple[int, ...] = ()
    if count:
        found = room(4 * count)
        wanted = struct.pack("=IQ", count, address(found))
        data = raw_info(program, _INFO_SIZE, prefill=bytes(52) + wanted)
        map_ids = struct.unpack(f"={count}I", found.raw)
    kind, ident = struct.unpack_from("=II", data, 0)
    jited, translated = struct.unpack_from("=II", data, 16)
    loaded = struct.unpack_from("=Q", data, 40)[0]
    return KernelProgram(
        id=ident,
        name=data[64:80].split(b"\0")[0].decode(),
        type=kind,
        loaded_at=_since_boot_to_epoch(loaded),
        tag=data[8:16].hex(),
        gpl_compatible=bool(data[84] & 1),
        map_ids=map_ids,
        btf_id=struct.unpack_from("=I", data, 128)[0] or None,
        bytes_translated=translated,
        jited=jited > 0,
        bytes_jited=jited,
        bytes_memlock=_memlock(program),
        verified_instructions=struct.unpack_from("=I", data, 216)[0],
    )


def _since_boot_to_epoch(nanoseconds: int) -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + nanoseconds / 1e9


def _memlock(program: Fd) -> int:
    for line in Path(f"/proc/self/fdinfo/{program.fileno()}").read_text().splitlines():
        if line.startswith("memlock:"):
            return int(line.split()[1])
    return 0
