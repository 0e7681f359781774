"""The command `bpfman`, run where the registries are."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bpfman_core.kernel import maps, pins
from bpfman_core.rpc.probe import available
from bpfman_core.testing.waiting import wait_until
from tests.cli.conftest import BPFMAN, Shell

DEADLINE = 60


class Outside(Shell):
    """Runs bpfman where the registries are; it attaches in another namespace."""

    def run(self, *words: object, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        command = [*prefix, BPFMAN, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)

    @contextmanager
    def service(self, *words: object, **popen) -> Iterator[subprocess.Popen[bytes]]:
        """A service that can ask registries, too; what it says goes to `said`."""
        command = [BPFMAN, "system", "service", "--timeout=0", *map(str, words)]
        with (
            open(self.paths.runtime.parent / "log", "ab") as log,
            subprocess.Popen(command, stderr=log, **popen) as process,
        ):
            try:
                wait_until(lambda: available(self.paths.socket), "it listens", timeout=DEADLINE)
                yield process
            finally:
                process.kill()

    @property
    def said(self) -> str:
        return (self.paths.runtime.parent / "log").read_text()

    def hits(self, program: int, name: str = "hits") -> int:
        """How often a program ran, by its per-CPU counter."""
        with pins.open_pin(self.paths.map_pin(program, name)) as held:
            return sum(count for (count,) in struct.iter_unpack("=Q", maps.lookup(held, bytes(4))))

    def xdp(self, priority: int = 50, *words: object) -> Sequence[object]:
        where = ("--netns", self.veth.near.namespace.path)
        return (*super().xdp(priority, *words), *where)

    def configure(self, *texts: str) -> None:
        self.paths.config.write_text("[images]\nseeds = []\n" + "\n".join(texts))


def compiled(directory: Path, target: str, section: str = ".text") -> Path:
    """An object with the program `pass`, for a byte order and in a section."""
    made = directory / f"{target}.o"
    command = ["clang", "-target", target, "-O2", "-c", "-o", made, "-x", "c", "-"]
    source = f"""
        char text[] __attribute__((section("license"))) = "GPL";
        __attribute__((section("{section}"))) int pass(void *packet) {{ return 2; }}
    """
    subprocess.run(list(map(str, command)), input=source.encode(), check=True)
    return made
