"""What objects hold, for the labels of an image that is made of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bpfman_core import elf
from bpfman_core.bytecode import read
from bpfman_core.errors import InvalidObject, InvalidRequest
from bpfman_core.image.bpf2go import BYTE_ORDERS
from bpfman_core.image.build import NewImage
from bpfman_core.image.manifest import host_platform
from bpfman_core.kernel.objects import map_types

FindType = Callable[[str], str | None]
"""Gives the type word for the name of an ELF section."""


@dataclass(frozen=True)
class Contents:
    """Objects by architecture; `alone` if there is just the one for this host."""

    paths: Mapping[str, Path]
    objects: Mapping[str, bytes]
    programs: Mapping[str, str]
    maps: Mapping[str, str]
    alone: bool

    def image(self) -> NewImage:
        """The image that they make."""
        filename = next(iter(self.paths.values())).name
        return NewImage(filename, self.objects, self.programs, self.maps, single=self.alone)


def single(path: Path, types: Mapping[str, str], find: FindType) -> Contents:
    """What one object holds; `types` are the type words of programs, before what `find` says."""
    architecture = host_platform().partition("/")[2]
    return _contents({architecture: path}, types, find, alone=True)


def several(paths: Mapping[str, Path], types: Mapping[str, str], find: FindType) -> Contents:
    """What the objects for several architectures hold, which must be the same in all.

    Raises InvalidRequest, InvalidObject.
    """
    return _contents(paths, types, find, alone=False)


def _contents(
    paths: Mapping[str, Path], types: Mapping[str, str], find: FindType, *, alone: bool
) -> Contents:
    objects: dict[str, bytes] = {}
    programs: dict[str, str] = {}
    maps: dict[str, str] = {}
    for architecture, path in paths.items():
        data = read(path)
        objects[architecture] = data
        if data[:6] != _start_of(BYTE_ORDERS.get(architecture, sys.byteorder)):
            raise InvalidObject(f"{path} is no 64-bit ELF object of {architecture}'s byte order")
        if BYTE_ORDERS.get(architecture, sys.byteorder) != sys.byteorder:
            continue  # libbpf reads those of this host's byte order only
        found = _programs(path, elf.parse(data), types, find)
        if programs and found != programs:
            raise InvalidRequest(f"{path} holds other programs than the objects before it")
        programs, maps = found, map_types(data)
    if not programs:
        raise InvalidRequest(
            f"no object is for a {sys.byteorder}-endian host, and so none can be read here"
        )
    return Contents(paths, objects, programs, maps, alone)


def _start_of(order: str) -> bytes:
    """How a 64-bit ELF file begins."""
    return b"\x7fELF\x02" + (b"\x01" if order == "little" else b"\x02")


def _programs(
    path: Path, held: elf.Object, types: Mapping[str, str], find: FindType
) -> dict[str, str]:
    found: dict[str, str] = {}
    for function in held.functions:
        word = types.get(function.name) or find(function.section)
        if word is None:
            raise InvalidRequest(
                f"{path}: no installed program type is for section {function.section!r} of program "
                f"{function.name!r}",
                hint=f"say what it is: --programs TYPE:{function.name}",
            )
        found[function.name] = word
    return found
