"""The BPF object of an image, and what the image's labels promise of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bpfman_core import elf
from bpfman_core.errors import InvalidObject
from bpfman_core.image.layers import only_object

PROGRAMS = "io.ebpf.programs"
MAPS = "io.ebpf.maps"
PROGRAM_TYPE = "io.ebpf.program_type"
PROGRAM_NAME = "io.ebpf.program_name"
FUNCTION = "io.ebpf.bpf_function_name"
FILENAME = "io.ebpf.filename"


@dataclass(frozen=True)
class FetchedImage:
    """What a source gives, every blob of it checked.

    `digest` is what the reference stands for, `source` where it came from, `signature` what was
    found of its signatures (`signing.check`); the layers are packed.
    """

    digest: str
    source: str
    labels: Mapping[str, str]
    layers: tuple[bytes, ...]
    signature: str


@dataclass(frozen=True)
class Bytecode:
    """An object out of an image.

    `functions` are its functions and their program types, `maps` its maps and their types, as the
    labels have it; `function` is the one to load where the user names none.
    """

    data: bytes
    digest: str
    source: str
    signature: str
    function: str | None
    functions: Mapping[str, str]
    maps: Mapping[str, str]


def extract(image: FetchedImage) -> Bytecode:
    """Unpack the object of an image, and check what its labels promise. Raises InvalidObject."""
    functions = functions_of(image.labels)
    function = image.labels.get(FUNCTION) or (
        next(iter(functions)) if len(functions) == 1 else None
    )
    data = only_object(image.layers, image.labels.get(FILENAME, ""))
    named = {*functions, *([function] if function else [])}
    maps = maps_of(image.labels)
    _check_promises(elf.parse(data), named, maps)
    about = (image.digest, image.source, image.signature)
    return Bytecode(data, *about, function, functions, maps)


def functions_of(labels: Mapping[str, str]) -> dict[str, str]:
    """The functions that labels name, and their program types. Raises InvalidObject."""
    if PROGRAMS in labels:
        return _table(labels, PROGRAMS)
    function, kind = labels.get(FUNCTION), labels.get(PROGRAM_TYPE)
    return {function: kind} if function and kind else {}


def maps_of(labels: Mapping[str, str]) -> dict[str, str]:
    """The maps that labels name, and their types. Raises InvalidObject."""
    return _table(labels, MAPS) if MAPS in labels else {}


def _table(labels: Mapping[str, str], label: str) -> dict[str, str]:
    try:
        return {str(name): str(kind) for name, kind in json.loads(labels[label]).items()}
    except (AttributeError, ValueError, RecursionError) as error:
        raise InvalidObject(f"the image's label {label} is no JSON object") from error


def _check_promises(held: elf.Object, functions: Iterable[str], maps: Iterable[str]) -> None:
    """Sections, by which the old labels may name a program, and which are maps, have a dot."""
    there = {function.name for function in held.functions}
    there |= {function.section for function in held.functions}
    _check_promise("program", functions, there)
    _check_promise("map", (name for name in maps if "." not in name), set(held.maps))


def _check_promise(what: str, promised: Iterable[str], there: set[str]) -> None:
    for name in promised:
        if name not in there:
            held = ", ".join(sorted(there)) or "none"
            raise InvalidObject(f"the image's labels name a {what} {name!r}; it holds: {held}")
