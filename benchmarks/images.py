"""What it costs to take a program out of an image that is at hand, against out of a file."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import BPFMAN, cpu, spent
from benchmarks.result import Result, in_turn
from bpfman_core.api import FileSource, ImageSource
from bpfman_core.bytecode import fetch
from bpfman_core.handler import local
from bpfman_core.image.build import NewImage, assemble
from bpfman_core.image.cache import VERDICT, Cache
from bpfman_core.image.manifest import host_platform
from bpfman_core.image.reference import Reference
from bpfman_core.image.settings import ImageSettings
from bpfman_core.image.signing.check import BUILT_HERE
from bpfman_core.paths import Paths
from bpfman_core.testing.network import Port, namespace, veth_pair
from bpfman_core.testing.runtime import environment, private_runtime

_OBJECT = Path(__file__).parent.parent / "bpf/examples/xdp_pass.bpf.o"
_CACHED = "quay.io/benchmarks/xdp_pass:1"
_SEEDED = "quay.io/bpfman-bytecode/xdp_pass:latest"
_MANY = 20  # fetches that are timed as one


def measure(rounds: int) -> Iterator[Result]:
    """Whole commands, then the fetch alone, in a process that runs."""
    with (
        private_runtime() as paths,
        namespace() as near,
        namespace() as far,
        veth_pair(near, far) as pair,
    ):
        paths.config.write_text("[images]\noffline = true\n")
        _fill(paths)
        file = ["file", "--path", str(_OBJECT), "--name", "pass"]
        commands = {
            "file": file,
            "cached": ["image", "--image-url", _CACHED],
            "seeded": ["image", "--image-url", _SEEDED],
        }
        found = in_turn(
            {
                name: lambda words=words: _load(paths, pair.near, words)
                for name, words in commands.items()
            },
            rounds,
        )
        alone = in_turn(
            {
                "file": lambda: _fetch(paths, FileSource(str(_OBJECT))),
                "cached": lambda: _fetch(paths, ImageSource(_CACHED)),
            },
            rounds,
        )
    for name, where in (("cached", "in the cache"), ("seeded", "of the seeds")):
        what = f"load image, {where}, the command"
        yield Result(what, found[name], "load file", found["file"], "ms")
    yield Result(
        "an image in the cache, found and checked", alone["cached"], "a file", alone["file"], "ms"
    )


def _fill(paths: Paths) -> None:
    architecture = host_platform().partition("/")[2]
    objects = {architecture: _OBJECT.read_bytes()}
    built = assemble(NewImage(_OBJECT.name, objects, {"pass": "xdp"}, {}))
    reference = Reference.parse(_CACHED)
    Cache(paths.images).put(reference, built.top, built.blobs, signing={VERDICT: BUILT_HERE})


def _load(paths: Paths, port: Port, words: list[str]) -> float:
    place = ["xdp", "--iface", port.name, "--priority", "50"]
    with port.namespace.inside():
        used = cpu([BPFMAN, "load", *words, *place], environment(paths))
    local(paths).unload_all()
    return used


def _fetch(paths: Paths, source: FileSource | ImageSource) -> float:
    settings = ImageSettings(paths.images, offline=True)
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(_MANY):
        fetch(source, lambda: settings)
    return spent(before, resource.getrusage(resource.RUSAGE_SELF)) / _MANY
