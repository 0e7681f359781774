"""Finds the BPF object in an image's layers, and says by its labels what it holds.

Layers are unpacked in memory and within bounds; nothing of them is written to disk.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from bpfman_core.errors import InvalidObject

PROGRAMS = "io.ebpf.programs"
MAPS = "io.ebpf.maps"
PROGRAM_TYPE = "io.ebpf.program_type"
PROGRAM_NAME = "io.ebpf.program_name"
FUNCTION = "io.ebpf.bpf_function_name"
FILENAME = "io.ebpf.filename"

OBJECT_LIMIT = 16 << 20
"""The most bytes that an object may have."""

UNPACKED_LIMIT = 64 << 20
"""The most bytes that an unpacked layer may have."""


@dataclass(frozen=True)
class FetchedImage:
    """What a source gives, every blob of it checked.

    `digest` is what the reference stands for, `source` where it came from; the layers are packed.
    """

    digest: str
    source: str
    labels: Mapping[str, str]
    layers: tuple[bytes, ...]


@dataclass(frozen=True)
class Bytecode:
    """An object out of an image.

    `functions` maps its functions to their program types as the labels have it; `function` is
    the one to load where the user names none.
    """

    data: bytes
    digest: str
    source: str
    function: str | None
    functions: Mapping[str, str]


def extract(image: FetchedImage) -> Bytecode:
    """Unpack the object of an image. Raises InvalidObject."""
    functions = _functions(image.labels)
    function = image.labels.get(FUNCTION) or (
        next(iter(functions)) if len(functions) == 1 else None
    )
    data = _only_object(image.layers, image.labels.get(FILENAME, ""))
    return Bytecode(data, image.digest, image.source, function, functions)


def _functions(labels: Mapping[str, str]) -> dict[str, str]:
    if PROGRAMS not in labels:
        function, kind = labels.get(FUNCTION), labels.get(PROGRAM_TYPE)
        return {function: kind} if function and kind else {}
    try:
        programs = json.loads(labels[PROGRAMS])
        return {str(function): str(kind) for function, kind in programs.items()}
    except (AttributeError, ValueError, RecursionError) as error:
        raise InvalidObject(f"the image's label {PROGRAMS} is no JSON object") from error


def _only_object(layers: Iterable[bytes], filename: str) -> bytes:
    objects: dict[str, bytes] = {}
    wanted = PurePosixPath(filename).name
    for layer in layers:
        objects |= _objects(_unpack(layer), wanted)
    if wanted in objects:
        return objects[wanted]
    if len(objects) != 1:
        held = ", ".join(sorted(objects)) or "none"
        raise InvalidObject(f"the image should hold one BPF object; it holds {held}")
    return next(iter(objects.values()))


def _unpack(layer: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(layer)) as packed:
            data = packed.read(UNPACKED_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidObject(f"a layer of the image is no readable tar+gzip: {error}") from error
    if len(data) > UNPACKED_LIMIT:
        raise InvalidObject(f"a layer of the image unpacks to more than {UNPACKED_LIMIT} bytes")
    return data


def _objects(data: bytes, wanted: str) -> dict[str, bytes]:
    """The regular files that are called `wanted`, or end in `.o`, by their base name."""
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if member.isreg() and (name == wanted or name.endswith(".o")):
                    found[name] = _content(archive, member)
    except (tarfile.TarError, ValueError, OverflowError, OSError) as error:
        raise InvalidObject(f"a layer of the image is no readable tar: {error}") from error
    return found


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > OBJECT_LIMIT:
        raise InvalidObject(
            f"{member.name} has {member.size} bytes, more than the {OBJECT_LIMIT} allowed"
        )
    file = archive.extractfile(member)
    return file.read() if file else b""
