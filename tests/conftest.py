"""Fixtures of bpfman's own tests; those for everybody come with `bpfman_core.testing.plugin`."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bpfman_core.kernel import maps, pins, programs
from bpfman_core.kernel.fd import Fd
from bpfman_core.paths import Paths
from bpfman_core.testing.features import requires

BPF = Path(__file__).parent.parent / "bpf"


@pytest.fixture(scope="session")
def bpf_object() -> Callable[[str], Path]:
    """Compiles a program of bpf/, such as "tests/chain_packets"; gives the object's path."""

    def compiled(name: str) -> Path:
        requires("clang")
        requires("make")
        made = f"{name}.bpf.o"
        subprocess.run(["make", "--silent", "-C", BPF, made], check=True)
        return BPF / made

    return compiled


@dataclass(frozen=True)
class Loaded:
    """The programs of an object, pinned in a directory, and its zero-initialised variables."""

    programs: dict[str, Fd]
    variables: Fd

    def id(self, name: str) -> int:
        """The kernel id of a program."""
        return programs.info(self.programs[name]).id

    def read(self, layout: str) -> tuple[int, ...]:
        """The variables, unpacked."""
        return struct.unpack(layout, maps.lookup(self.variables, bytes(4)))

    def write(self, layout: str, *values: int) -> None:
        """Set all variables."""
        maps.update(self.variables, bytes(4), struct.pack(layout, *values))


@pytest.fixture
def load_object(
    bpf_object: Callable[[str], Path], bpfman_paths: Paths
) -> Iterator[Callable[[str], Loaded]]:
    """Loads a compiled object with bpftool, by somebody else than bpfman that is."""
    opened: list[Fd] = []

    def load(name: str) -> Loaded:
        requires("bpftool")
        path = bpf_object(name)
        pinned, variables = bpfman_paths.bpffs / path.stem[:-4], bpfman_paths.bpffs / "variables"
        command = ["bpftool", "prog", "loadall", path, pinned, "pinmaps", variables]
        subprocess.run(command, check=True, capture_output=True)
        loaded = Loaded(
            {entry.name: pins.open_pin(entry) for entry in pinned.iterdir()},
            pins.open_pin(next(variables.glob("*_bss"))),
        )
        opened.extend([*loaded.programs.values(), loaded.variables])
        return loaded

    yield load
    for held in opened:
        held.close()
