"""Loads chosen programs out of an ELF object, with libbpf."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bpfman_core.errors import InvalidObject, InvalidRequest, did_you_mean
from bpfman_core.globals import GlobalWrite
from bpfman_core.kernel import libbpf, maps, symbols
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.refusal import explain

_LOG_SIZE = 16 << 20  # bytes; pages that stay empty cost nothing


@dataclass(frozen=True)
class ObjectProgram:
    """A program to load: its function, and the kernel's numbers for what it shall become."""

    function: str
    kind: int
    expected_attach_type: int = 0
    flags: int = 0
    attach_to: str | None = None


@dataclass(frozen=True)
class LoadedObject:
    """What came out of an object: programs by function, maps by name (`.rodata` without prefix)."""

    programs: Mapping[str, Fd]
    maps: Mapping[str, Fd]

    def __enter__(self) -> LoadedObject:
        return self

    def __exit__(self, *_: object) -> None:
        for held in (*self.programs.values(), *self.maps.values()):
            held.close()


def load(
    data: bytes,
    wanted: Sequence[ObjectProgram],
    *,
    writes: Sequence[GlobalWrite] = (),
    reuse: Callable[[str], Fd | None] = lambda _: None,
) -> LoadedObject:
    """Load `wanted` out of the ELF object `data`; its other programs are not looked at.

    `writes` set global variables beforehand. `reuse` is asked by the name of each map: one that it
    gives is used in place of a new one. Raises InvalidObject, VerifierRejected, Denied or
    KernelError; InvalidRequest where a map to be reused has another shape.
    """
    log = mmap.mmap(-1, _LOG_SIZE)
    with libbpf.messages() as said, _opened(data, wanted[0].function, log, said) as opened:
        for program in wanted:
            opened.choose(program)
        for write in writes:
            opened.write(write)
        opened.share(reuse)
        code = opened.library.bpf_object__load(opened.handle)
        if code:
            raise explain(-code, log, said, {each.function: each.kind for each in wanted})
        return opened.contents([program.function for program in wanted])


def map_types(data: bytes) -> dict[str, str]:
    """The maps of an object and their types, as images name them; nothing is loaded.

    Raises InvalidObject, Unsupported.
    """
    log = mmap.mmap(-1, mmap.PAGESIZE)
    with libbpf.messages() as said, _opened(data, "described", log, said) as opened:
        return {name: libbpf.map_type_name(kind) for name, kind in opened.map_types().items()}


class _Opened:
    """An object that libbpf has read but not loaded."""

    def __init__(self, library: ctypes.CDLL, handle: int) -> None:
        self.library = library
        self.handle = handle
        self._programs = {
            library.bpf_program__name(each).decode(): each
            for each in self._each(library.bpf_object__next_program)
        }
        self._maps = {
            _map_name(library.bpf_map__name(each).decode()): each
            for each in self._each(library.bpf_object__next_map)
        }
        for program in self._programs.values():
            library.bpf_program__set_autoload(program, False)
        for each in self._maps.values():
            library.bpf_map__set_pin_path(each, None)  # LIBBPF_PIN_BY_NAME: bpfman pins

    def choose(self, wanted: ObjectProgram) -> None:
        program = self._programs.get(wanted.function)
        if program is None:
            raise InvalidObject(f"libbpf finds no program {wanted.function!r} in the object")
        self.library.bpf_program__set_autoload(program, True)
        self.library.bpf_program__set_type(program, wanted.kind)
        self.library.bpf_program__set_expected_attach_type(program, wanted.expected_attach_type)
        self.library.bpf_program__set_flags(program, wanted.flags)
        if wanted.attach_to is not None:
            self._bind(program, wanted.attach_to)

    def _bind(self, program: int, function: str) -> None:
        # asked beforehand, as libbpf 1.1 leaves descriptors open where it does not find a function
        names = set(symbols.functions())
        if (names and function not in names) or self.library.bpf_program__set_attach_target(
            program, 0, function.encode()
        ):
            raise InvalidRequest(
                f"this kernel has no function {function!r} to attach to",
                hint=did_you_mean(function, names),
            )

    def write(self, write: GlobalWrite) -> None:
        size = ctypes.c_size_t()
        start = self.library.bpf_map__initial_value(
            self._maps.get(write.section), ctypes.byref(size)
        )
        if not start or write.offset + len(write.data) > size.value:
            raise InvalidObject(f"libbpf finds no variables in section {write.section!r}")
        ctypes.memmove(start + write.offset, write.data, len(write.data))

    def share(self, find: Callable[[str], Fd | None]) -> None:
        for name, ours in self._maps.items():
            held = find(name)
            if held is not None:
                with held:
                    self._share(name, ours, held)

    def _share(self, name: str, ours: int, held: Fd) -> None:
        about = maps.info(held)
        shapes = [
            (about.type, about.key_size, about.value_size, about.max_entries),
            tuple(
                getattr(self.library, f"bpf_map__{field}")(ours)
                for field in ("type", "key_size", "value_size", "max_entries")
            ),
        ]
        if shapes[0] != shapes[1]:
            raise InvalidRequest(
                f"map {name!r} of the map owner has type, key size, value size and entries "
                f"{shapes[0]}, here it is {shapes[1]}",
                hint="only maps of the same shape can be shared",
            )
        self.library.bpf_map__reuse_fd(ours, held.fileno())

    def map_types(self) -> dict[str, int]:
        return {name: self.library.bpf_map__type(each) for name, each in self._maps.items()}

    def contents(self, functions: Sequence[str]) -> LoadedObject:
        programs = {
            name: _duplicate(self.library.bpf_program__fd(self._programs[name]))
            for name in functions
        }
        held = {
            name: _duplicate(self.library.bpf_map__fd(each))
            for name, each in self._maps.items()
            if self.library.bpf_map__fd(each) >= 0
        }
        return LoadedObject(programs, held)

    def _each(self, following: Any) -> Iterator[int]:
        current = following(self.handle, None)
        while current:
            yield current
            current = following(self.handle, current)


@contextmanager
def _opened(data: bytes, name: str, log: mmap.mmap, said: list[str]) -> Iterator[_Opened]:
    library = libbpf.library()
    buffer = ctypes.c_char.from_buffer(log)
    options = libbpf.OpenOptions(
        size=ctypes.sizeof(libbpf.OpenOptions),
        object_name=name.encode(),
        kernel_log_buf=ctypes.addressof(buffer),
        kernel_log_size=len(log),
    )
    handle = library.bpf_object__open_mem(data, len(data), ctypes.byref(options))
    if not handle:
        reason = said[-1] if said else libbpf.message(ctypes.get_errno())
        raise InvalidObject(f"libbpf cannot read the object: {reason}")
    try:
        yield _Opened(library, handle)
    finally:
        library.bpf_object__close(handle)


def _map_name(name: str) -> str:
    """Without the object's name, which libbpf puts before those of data sections."""
    for section in (".rodata", ".data", ".bss", ".kconfig"):
        _, found, rest = name.partition(section)
        if found:
            return found + rest
    return name


def _duplicate(number: int) -> Fd:
    return Fd(os.dup(number))
