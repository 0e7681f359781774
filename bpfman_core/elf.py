"""Reads BPF objects: which programs and which global variables an ELF file holds.

Format: System V ABI, chapter 4 (64-bit). Nothing is trusted: every offset is checked.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from bpfman_core.errors import InvalidObject, InvalidRequest, did_you_mean

_HEADER = struct.Struct("=16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("=IIQQQQIIQQ")
_SYMBOL = struct.Struct("=IBBHQQ")

_RELOCATABLE = 1  # ET_REL
_BPF = 247  # EM_BPF
_MACHINES = {3: "x86", 40: "ARM", 62: "x86-64", 183: "arm64", 22: "s390", 243: "RISC-V"}
_SYMBOL_TABLE = 2  # SHT_SYMTAB
_EXECUTABLE = 4  # SHF_EXECINSTR
_OBJECT, _FUNCTION = 1, 2  # STT_OBJECT, STT_FUNC
_LOCAL = 0  # STB_LOCAL
_LONGEST = 4096  # bytes of a name
_MAPS = (".maps", "maps")
_DATA = (".rodata", ".data", ".bss")


@dataclass(frozen=True)
class Function:
    """A program of the object, and the section that it is in."""

    name: str
    section: str


@dataclass(frozen=True)
class Global:
    """A global variable: where it lies in its section, and its size, both in bytes."""

    name: str
    section: str
    offset: int
    size: int


@dataclass(frozen=True)
class Object:
    """What an object holds."""

    functions: tuple[Function, ...]
    globals: tuple[Global, ...]
    maps: tuple[str, ...] = ()

    def resolve(self, name: str | None) -> Function:
        """The program of that name, or in the section of that name; without one, the only program.

        Raises InvalidRequest that says which there are.
        """
        names = [function.name for function in self.functions]
        if name is None:
            if len(self.functions) == 1:
                return self.functions[0]
            raise InvalidRequest(
                f"the object holds several programs: {', '.join(names)}",
                hint="name one of them with --name",
            )
        for function in self.functions:
            if function.name == name:
                return function
        inside = [function for function in self.functions if function.section == name]
        if len(inside) == 1:
            return inside[0]
        if inside:
            within = ", ".join(function.name for function in inside)
            raise InvalidRequest(
                f"section {name!r} holds several programs: {within}", hint="name one of them"
            )
        raise InvalidRequest(
            f"the object holds no program {name!r}; it holds: {', '.join(names)}",
            hint=did_you_mean(name, names),
        )


def parse(data: bytes) -> Object:
    """What an ELF object holds. Raises InvalidObject for anything but a BPF object of this host."""
    if data[:4] != b"\x7fELF":
        raise InvalidObject("it is no ELF object", hint="compile with `clang -target bpf -c`")
    if data[4:5] != b"\x02":
        raise InvalidObject("it is no 64-bit ELF object")
    if data[5:6] != (b"\x01" if sys.byteorder == "little" else b"\x02"):
        raise InvalidObject(
            "it is for hosts of the other byte order", hint="compile with `clang -target bpf`"
        )
    reader = _Reader(data)
    if not reader.functions:
        raise InvalidObject("it holds no programs")
    return Object(reader.functions, reader.globals, reader.maps)


@dataclass(frozen=True)
class _Section:
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        header = self._unpack(_HEADER, 0)
        _, kind, machine, *_ = header
        if machine != _BPF:
            other = _MACHINES.get(machine, f"machine {machine}")
            raise InvalidObject(
                f"it is an object for {other}, not for BPF", hint="compile with `clang -target bpf`"
            )
        if kind != _RELOCATABLE:
            raise InvalidObject("it is no relocatable object", hint="compile with `clang -c`")
        self._table, self._entry, self._count, self._names = header[6], *header[11:14]

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        return tuple(
            Function(name, section.name)
            for name, info, section, _, _ in self._symbols
            if info & 15 == _FUNCTION
            and info >> 4 != _LOCAL
            and section.flags & _EXECUTABLE
            and section.name != ".text"
        )

    @cached_property
    def globals(self) -> tuple[Global, ...]:
        return tuple(
            Global(name, section.name, offset, size)
            for name, info, section, offset, size in self._symbols
            if info & 15 == _OBJECT and section.name.startswith(_DATA)
        )

    @cached_property
    def maps(self) -> tuple[str, ...]:
        return tuple(
            name for name, _, section, _, _ in self._symbols if name and section.name in _MAPS
        )

    @cached_property
    def _symbols(self) -> list[tuple[str, int, _Section, int, int]]:
        """Name, info, section, value and size of the symbols that are in a section."""
        found = []
        sections = self._sections
        table = next((section for section in sections if section.kind == _SYMBOL_TABLE), None)
        if table is None or table.link >= len(sections):
            return []
        strings, symbols = self._content(sections[table.link]), self._content(table)
        for at in range(0, len(symbols) - _SYMBOL.size + 1, _SYMBOL.size):
            name, info, _, index, value, size = _SYMBOL.unpack_from(symbols, at)
            if 0 < index < len(sections):
                found.append((_text(strings, name), info, sections[index], value, size))
        return found

    @cached_property
    def _sections(self) -> list[_Section]:
        if self._entry != _SECTION.size:
            raise InvalidObject("it is damaged: its section headers have an odd size")
        headers = [
            self._unpack(_SECTION, self._table + index * _SECTION.size)
            for index in range(self._count)
        ]
        unnamed = [
            (name, _Section("", kind, flags, offset, size, link))
            for name, kind, flags, _, offset, size, link, *_ in headers
        ]
        if self._names >= len(unnamed):
            raise InvalidObject("it is damaged: its sections have no names")
        names = self._content(unnamed[self._names][1])
        return [replace(section, name=_text(names, name)) for name, section in unnamed]

    def _content(self, section: _Section) -> bytes:
        end = section.offset + section.size
        if end > len(self._data):
            raise InvalidObject("it is cut short")
        return self._data[section.offset : end]

    def _unpack(self, layout: struct.Struct, offset: int) -> tuple[Any, ...]:
        if offset + layout.size > len(self._data):
            raise InvalidObject("it is cut short")
        return layout.unpack_from(self._data, offset)


def _text(strings: bytes, offset: int) -> str:
    end = strings.find(b"\0", offset, offset + _LONGEST)
    return strings[offset : end if end >= 0 else offset].decode(errors="replace")
