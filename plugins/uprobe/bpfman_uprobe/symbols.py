"""Finds functions in ELF programs and libraries: where in the file their code lies."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

from bpfman_core.plugin import InvalidRequest, did_you_mean

_HEADER = struct.Struct("=16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("=IIQQQQQQ")
_SECTION = struct.Struct("=IIQQQQIIQQ")
_SYMBOL = struct.Struct("=IBBHQQ")

_LOAD = 1  # PT_LOAD
_TABLES = (2, 11)  # SHT_SYMTAB, SHT_DYNSYM
_FUNCTIONS = (2, 10)  # STT_FUNC, STT_GNU_IFUNC


def file_offset(path: Path, function: str, offset: int) -> int:
    """Where in the file `offset` bytes into a function lie.

    Raises InvalidRequest for a function that is not there, with near misses, or is shorter.
    """
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
            functions = dict(_functions(data))
            if function not in functions:
                raise InvalidRequest(
                    f"{path} has no function {function!r}", hint=did_you_mean(function, functions)
                )
            address, size = functions[function]
            if size and offset >= size:
                raise InvalidRequest(
                    f"function {function!r} of {path} has {size} bytes, so none at offset {offset}"
                )
            return _in_file(data, address + offset)
    except (OSError, ValueError, struct.error) as error:
        raise InvalidRequest(f"{path} cannot be read as a 64-bit ELF file: {error}") from None


def _functions(data: mmap.mmap) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name, virtual address and size of all functions that are defined in the file."""
    header = _header(data)
    sections = [
        _SECTION.unpack_from(data, header[6] + index * header[11]) for index in range(header[12])
    ]
    for section in sections:
        if section[1] not in _TABLES:
            continue
        strings = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], _SYMBOL.size):
            name, info, _, index, address, size = _SYMBOL.unpack_from(data, at)
            if info & 15 in _FUNCTIONS and index:
                start = strings + name
                yield data[start : data.find(b"\0", start)].decode(), (address, size)


def _in_file(data: mmap.mmap, address: int) -> int:
    header = _header(data)
    for index in range(header[10]):
        kind, _, offset, start, _, size, _, _ = _SEGMENT.unpack_from(
            data, header[5] + index * header[9]
        )
        if kind == _LOAD and start <= address < start + size:
            return int(address - start + offset)
    raise ValueError("a function lies in no segment")


def _header(data: mmap.mmap) -> tuple[int, ...]:
    if data[:5] != b"\x7fELF\x02":
        raise ValueError("it is none")
    return _HEADER.unpack_from(data, 0)
