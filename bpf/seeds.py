"""Writes the image layout that ships with bpfman: `seeds.py DIRECTORY`.

Each example is an image under `quay.io/bpfman-bytecode/`, for every architecture of the byte order
that the examples were compiled for.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bpfman_core.image.build import NewImage, write

EXAMPLES = Path(__file__).with_name("examples")
ARCHITECTURES = {
    "little": ("amd64", "arm64", "loong64", "ppc64le", "riscv64"),
    "big": ("ppc64", "s390x"),
}[sys.byteorder]
HITS = {"hits": "per_cpu_array"}
TRAFFIC = {"traffic": "per_cpu_array", ".rodata": "array"}
IMAGES = (
    ("fentry_counter", "fentry", "fentry_counter", HITS),
    ("fexit_counter", "fexit", "fexit_counter", HITS),
    ("kprobe_counter", "kprobe", "kprobe_counter", HITS),
    ("tc_counter", "tc", "tc_counter", TRAFFIC),
    ("tc_pass", "tc", "pass", HITS),
    ("tracepoint_counter", "tracepoint", "tracepoint_counter", HITS),
    ("uprobe_counter", "uprobe", "uprobe_counter", HITS),
    ("xdp_counter", "xdp", "xdp_counter", TRAFFIC),
    ("xdp_drop", "xdp", "drop", HITS),
    ("xdp_pass", "xdp", "pass", HITS),
)
"""Of each example its name, program type, function and maps."""


def main(directory: Path) -> None:
    """Pack all examples."""
    write(directory, {f"quay.io/bpfman-bytecode/{row[0]}:latest": image(*row) for row in IMAGES})


def image(name: str, kind: str, function: str, maps: dict[str, str]) -> NewImage:
    """The image of an example."""
    data = (EXAMPLES / f"{name}.bpf.o").read_bytes()
    return NewImage(
        filename=f"{name}.bpf.o",
        objects=dict.fromkeys(ARCHITECTURES, data),
        programs={function: kind},
        maps=maps,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
