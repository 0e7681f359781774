"""Milliseconds of CPU to load one XDP program and attach it, against a C program on libbpf.

The C program attaches the program itself; bpfman makes a chain of one, keeps records, and can undo
each step. The first figure is the work alone, in a process that runs, as the service does; the
second is the whole command, interpreter and imports included.
"""

from __future__ import annotations

import resource
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import BPFMAN, cpu, spent
from benchmarks.result import Result, in_turn
from bpfman_core.api import AttachPart, FileSource, LoadRequest, ProgramRequest
from bpfman_core.handler import Handler, local
from bpfman_core.kernel import pins
from bpfman_core.paths import Paths
from bpfman_core.testing.network import Port, namespace, veth_pair
from bpfman_core.testing.runtime import environment, private_runtime

_HERE = Path(__file__).parent
_OBJECT = _HERE.parent / "bpf/examples/xdp_pass.bpf.o"


def measure(rounds: int) -> Iterator[Result]:
    """Each round loads, attaches, and outside the measured time unloads again."""
    with (
        private_runtime() as paths,
        namespace() as near,
        namespace() as far,
        veth_pair(near, far) as pair,
        tempfile.TemporaryDirectory() as directory,
    ):
        loader, handler = _compiled(Path(directory)), local(paths)
        _by_handler(handler, pair.near)  # imports, and tests the dispatcher
        found = in_turn(
            {
                "c": lambda: _by_c(loader, pair.near, paths.bpffs / "bench"),
                "work": lambda: _by_handler(handler, pair.near),
                "command": lambda: _by_command(paths, pair.near),
            },
            rounds,
        )
    loading = found["c"]
    yield Result("load and attach, in process", found["work"], "a C loader", loading, "ms", 3)
    yield Result("load and attach, the command", found["command"], "a C loader", loading, "ms")


def _compiled(directory: Path) -> Path:
    loader = directory / "loader"
    command = ["cc", "-O2", "-o", loader, _HERE / "loader.c", "-lbpf"]
    subprocess.run(command, check=True)
    return loader


def _by_c(loader: Path, port: Port, directory: Path) -> float:
    directory.mkdir()
    try:
        with port.namespace.inside():
            return cpu([loader, _OBJECT, "pass", str(port.index), directory])
    finally:
        pins.remove_directory(directory)


def _by_handler(handler: Handler, port: Port) -> float:
    source = FileSource(str(_OBJECT), _OBJECT.read_bytes())
    part = AttachPart("xdp", {"iface": port.name, "priority": 50})
    with port.namespace.inside():
        before = resource.getrusage(resource.RUSAGE_SELF)
        handler.load(LoadRequest(source, (ProgramRequest("pass", "xdp"),), attach=part))
        after = resource.getrusage(resource.RUSAGE_SELF)
    handler.unload_all()
    return spent(before, after)


def _by_command(paths: Paths, port: Port) -> float:
    place = ["xdp", "--iface", port.name, "--priority", "50"]
    command = [BPFMAN, "load", "file", "--path", _OBJECT, "--name", "pass", *place]
    with port.namespace.inside():
        used = cpu(command, environment(paths))
    local(paths).unload_all()
    return used
