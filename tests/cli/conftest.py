"""The command `bpfman`, run as users run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bpfman_core.paths import Paths
from bpfman_core.rpc.probe import available
from bpfman_core.testing.agreement import pinned
from bpfman_core.testing.network import Veth
from bpfman_core.testing.waiting import wait_until

BPFMAN = Path(sys.executable).with_name("bpfman")
DEADLINE = 60.0  # seconds
HOLDER = """
import sys
from pathlib import Path
from bpfman_core.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print(flush=True)
    sys.stdin.read()
"""


class Shell:
    """Runs bpfman in the namespace of the near end of a veth pair."""

    def __init__(self, paths: Paths, veth: Veth, compiled: Callable[[str], Path]) -> None:
        self.paths = paths
        self.veth = veth
        self.compiled = compiled

    @property
    def iface(self) -> str:
        return self.veth.near.name

    def run(self, *words: object, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever its exit status."""
        with self.veth.near.namespace.inside():
            return subprocess.run(
                [*prefix, BPFMAN, *map(str, words)],
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                check=False,
            )

    def __call__(self, *words: object) -> str:
        """The output of a command that succeeds and complains of nothing."""
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def json(self, *words: object) -> Any:
        """The output as JSON."""
        return json.loads(self(*words, "--output", "json"))

    def fails(self, *words: object, status: int = 1) -> str:
        """The one line with which a command fails."""
        done = self.run(*words)
        assert (done.returncode, done.stdout) == (status, ""), done
        assert done.stderr.startswith("bpfman: ")
        assert done.stderr.count("\n") == 1
        return done.stderr

    def misused(self, *words: object) -> str:
        """What a command says that is used wrongly."""
        done = self.run(*words)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert "Traceback" not in done.stderr
        return done.stderr

    def load(self, of: str, *words: object, type: str = "xdp") -> int:
        """Load a program of bpf/; gives its id."""
        loaded = self.json("load", "file", "--path", self.compiled(of), *words)
        return loaded["kernel"]["id"]

    def xdp(self, priority: int = 50, *words: object) -> Sequence[object]:
        """The words that attach to the near end."""
        return ("xdp", "--iface", self.iface, "--priority", priority, *words)

    def ids(self) -> list[int]:
        return [int(line) for line in self("list", "--quiet").split()]

    def unload_all(self) -> None:
        """Unload what is left; then nothing of ours may be pinned."""
        ids = self.ids()
        if ids:
            self("unload", *ids)
        assert pinned(self.paths) == []

    def delivered(self, packets: int = 10) -> None:
        with self.veth.near.listen() as behind:
            self.veth.far.send(packets)
            behind.wait_for(packets)

    @contextmanager
    def service(self, *words: object, **popen: Any) -> Iterator[subprocess.Popen[bytes]]:
        """A service for the length of the block; ended like a crash if the block did not end it."""
        process = self.start(*words, **popen)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def start(self, *words: object, **popen: Any) -> subprocess.Popen[bytes]:
        """Start a service and wait until it listens."""
        log = self.paths.runtime.parent / "log"
        with open(log, "ab") as stderr, self.veth.near.namespace.inside():
            command = [BPFMAN, "system", "service", "--timeout=0", *map(str, words)]
            environment = {**os.environ, "RUST_LOG": "info"}
            process = subprocess.Popen(command, stderr=stderr, env=environment, **popen)
        wait_until(lambda: available(self.paths.socket), "the service listens", timeout=DEADLINE)
        return process

    @property
    def log(self) -> list[dict[str, Any]]:
        """The service's log."""
        text = (self.paths.runtime.parent / "log").read_text()
        return [json.loads(line) for line in text.splitlines()]

    @contextmanager
    def locked(self) -> Iterator[subprocess.Popen[bytes]]:
        """Another process that holds the writer lock for the length of the block."""
        command = [sys.executable, "-c", HOLDER, self.paths.lock]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, **pipes) as process:
            process.stdout.readline()
            try:
                yield process
            finally:
                process.stdin.close()

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0


@pytest.fixture
def bpfman(bpfman_paths: Paths, veth: Veth, bpf_object) -> Iterator[Shell]:
    """bpfman, without a service so far and no registry to ask; what the test leaves is unloaded."""
    shell = Shell(bpfman_paths, veth, bpf_object)
    bpfman_paths.config.write_text("[images]\noffline = true\n")
    yield shell
    shell.unload_all()


@pytest.fixture(params=["in process", "service"])
def either(request: pytest.FixtureRequest, bpfman: Shell) -> Iterator[Shell]:
    """bpfman without a service, and with one."""
    if request.param == "in process":
        yield bpfman
        return
    with bpfman.service() as process:
        yield bpfman
        bpfman.stop(process)
