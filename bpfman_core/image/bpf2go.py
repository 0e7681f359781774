"""Which architecture an object is for, by the name that bpf2go gives its file.

`NAME_x86_bpfel.o` is for one architecture, as the kernel calls it; `NAME_bpfel.o` and
`NAME_bpfeb.o` are for all of a byte order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bpfman_core.errors import InvalidRequest

BYTE_ORDERS: Mapping[str, str] = {
    "amd64": "little",
    "arm": "little",
    "arm64": "little",
    "loong64": "little",
    "mips": "big",
    "mips64": "big",
    "mips64le": "little",
    "mipsle": "little",
    "ppc64": "big",
    "ppc64le": "little",
    "riscv64": "little",
    "s390x": "big",
}
"""The architectures that an image can be for, as images call them."""

_ENDS = {"el": "little", "eb": "big"}
_KERNEL: Mapping[str, tuple[str, ...]] = {
    "x86": ("amd64",),
    "arm": ("arm",),
    "arm64": ("arm64",),
    "loongarch": ("loong64",),
    "mips": ("mips", "mipsle", "mips64", "mips64le"),
    "powerpc": ("ppc64", "ppc64le"),
    "riscv": ("riscv64",),
    "s390": ("s390x",),
}
_NAME = re.compile(rf"(.+?)(?:_({'|'.join(_KERNEL)}))?_bpf(el|eb)\.o")


def objects(directory: Path) -> dict[str, Path]:
    """The objects of one program in a directory, by architecture.

    Raises InvalidRequest where there are none, or those of several.
    """
    named = [(path, _NAME.fullmatch(path.name)) for path in sorted(directory.glob("*.o"))]
    fitting = [(path, found) for path, found in named if found]
    stems = sorted({found[1] for _, found in fitting})
    if len(stems) != 1:
        held = f"those of {', '.join(stems)}" if stems else "none"
        raise InvalidRequest(
            f"{directory} should hold the objects of one program, called NAME_bpfel.o or "
            f"NAME_x86_bpfel.o and so on; it holds {held}"
        )
    result: dict[str, Path] = {}
    for path, found in sorted(fitting, key=lambda one: one[1][2] is not None):
        several = _KERNEL[found[2]] if found[2] else tuple(BYTE_ORDERS)
        order = _ENDS[found[3]]
        result |= {one: path for one in several if BYTE_ORDERS[one] == order}
    return result
