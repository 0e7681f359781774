"""What an image says of programs and maps must not contradict its object, nor what it is to be."""

from __future__ import annotations

from collections.abc import Mapping

from bpfman_core.bound import BoundType
from bpfman_core.bytecode import Bytecode
from bpfman_core.errors import InvalidObject, InvalidRequest
from bpfman_core.kernel import libbpf
from bpfman_core.kernel.objects import map_types
from bpfman_core.registry import Registry


def check_type(registry: Registry, bound: BoundType, name: str, types: Mapping[str, str]) -> None:
    """Raise InvalidRequest where the image has another type for a program than it is loaded as."""
    label = types.get(name)
    labelled = None if label is None else registry.types.get(label)
    if labelled is not None and labelled.type.kind != bound.type.kind:
        raise InvalidRequest(
            f"the image says that program {name!r} is of type {label}; it cannot be loaded as "
            f"{bound.type.word}",
            hint=f"load it as {label}",
        )


def check_maps(bytecode: Bytecode) -> None:
    """Raise InvalidObject where the image has another type for a map than the object.

    Tools spell types in several ways (per_cpu_array, percpu_array, PerCPUArray), and some have
    words of their own: only what is known to be another type is refused.
    """
    if not bytecode.maps:
        return
    known = {_spelling(word) for word in libbpf.map_type_names()}
    held = map_types(bytecode.data)
    for name, label in bytecode.maps.items():
        found = held.get(name)
        if found and _spelling(label) in known and _spelling(label) != _spelling(found):
            raise InvalidObject(
                f"the image says that map {name!r} is of type {label}; in its object it is {found}"
            )


def _spelling(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
