"""Finds the file that a target means: a path, or a library as the dynamic linker knows it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from bpfman_core.plugin import InvalidRequest, did_you_mean

_CACHE = "etc/ld.so.cache"
_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER, _ENTRY = 48, struct.Struct("=iIIIQ")
_DIRECTORIES = ("lib", "usr/lib", "lib64", "usr/lib64")
_PROC = (Path("/proc"), Path("/host/proc"))


def find(target: str, container_pid: int | None) -> Path:
    """The file, as this process can open it; `container_pid` names a process whose root counts.

    Raises InvalidRequest where there is none.
    """
    root = _root(container_pid)
    if "/" not in target:
        return _library(root, target)
    if not target.startswith("/"):
        raise InvalidRequest(f"{target} is not an absolute path", hint="or name a library: libc")
    path = root / target.lstrip("/")
    if not path.is_file():
        raise InvalidRequest(f"there is no file {target}")
    return path


def _root(pid: int | None) -> Path:
    if pid is None:
        return Path("/")
    for proc in _PROC:
        if (proc / str(pid)).is_dir():
            return proc / str(pid) / "root"
    raise InvalidRequest(f"there is no process {pid}")


def _library(root: Path, name: str) -> Path:
    known = dict(_cached(root))
    for found, path in known.items():
        if _is_called(found, name):
            inside = root / path.lstrip("/")
            if inside.is_file() and _is_of_this_machine(inside):
                return inside
    for directory in _DIRECTORIES:
        for candidate in sorted((root / directory).glob(f"{name}.so*")):
            if candidate.is_file() and _is_of_this_machine(candidate):
                return candidate
    near = did_you_mean(name, {found.partition(".so")[0] for found in known})
    raise InvalidRequest(f"the dynamic linker knows no library {name!r}", hint=near)


def _is_called(found: str, name: str) -> bool:
    return found == name or found.startswith(f"{name}.so")


def _is_of_this_machine(path: Path) -> bool:
    """Whether an ELF file is of the machine and class of the interpreter that runs this."""
    with open(path, "rb") as file, open("/proc/self/exe", "rb") as own:
        theirs, ours = file.read(20), own.read(20)
    return theirs[:6] == ours[:6] and theirs[18:] == ours[18:]


def _cached(root: Path) -> Iterator[tuple[str, str]]:
    """Name and path of the libraries in ld.so.cache (glibc: elf/cache.c, struct cache_file_new)."""
    try:
        data = (root / _CACHE).read_bytes()
    except OSError:
        return
    start = data.find(_MAGIC)
    if start < 0:
        return
    data = data[start:]
    count = struct.unpack_from("=I", data, len(_MAGIC))[0]
    for index in range(min(count, (len(data) - _HEADER) // _ENTRY.size)):
        _, key, value, _, _ = _ENTRY.unpack_from(data, _HEADER + index * _ENTRY.size)
        yield _text(data, key), _text(data, value)


def _text(data: bytes, start: int) -> str:
    return data[start : data.find(b"\0", start)].decode(errors="replace")
