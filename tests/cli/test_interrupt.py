"""Ctrl-C ends a command at once, and whoever wants it ignored is not overruled."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from bpfman_core.paths import Paths
from bpfman_core.rpc.probe import available
from bpfman_core.testing.waiting import wait_until
from tests.cli.conftest import BPFMAN
from tests.image.registries import serving

DEADLINE = 30.0  # seconds
PAUSE = 0.1  # seconds; a client reads a hundred lines of a head, but no more
HEEDING = "--default-signal=INT"  # what runs in the background may ignore it
IGNORING = "--ignore-signal=INT"
CLICK = """
import sys, time
from pathlib import Path
beside = Path(__file__).parent
(beside / "begun").touch()
deadline = time.monotonic() + 60
while not (beside / "go").exists() and time.monotonic() < deadline:
    time.sleep(0.01)
sys.exit(7)
"""

Command = subprocess.Popen[str]
Start = Callable[..., Command]


class Registry:
    """Begins an answer and takes its time; in the end it has no such image.

    Every line that it says wakes up who waits: Python does not notice a signal that comes just
    before it begins to read until there is something to read.
    """

    def __init__(self) -> None:
        self.host = ""
        self.asked = threading.Event()
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"{self.host}/team/none:1"

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        asked.wfile.write(b"HTTP/1.1 404 Not Found\r\n")
        self.asked.set()
        while not self.over.wait(PAUSE):
            asked.wfile.write(b"X-Wait: x\r\n")
        asked.wfile.write(b"Content-Length: 0\r\n\r\n")


class Asked(BaseHTTPRequestHandler):
    registry: Registry

    def do_GET(self) -> None:
        with suppress(ConnectionError):
            self.registry.answer(self)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts bpfman by `env` with an option; what still runs at the end is killed."""
    with ExitStack() as stack:

        def started(option: str, *words: object) -> Command:
            command = ["env", option, BPFMAN, *map(str, words)]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = stack.enter_context(subprocess.Popen(command, **pipes))
            stack.callback(process.kill)
            return process

        yield started


@pytest.fixture
def click(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a module `click` lies that takes its time: until there is a file `go` beside it."""
    directory = tmp_path / "modules"
    directory.mkdir()
    (directory / "click.py").write_text(CLICK)
    monkeypatch.setenv("PYTHONPATH", str(directory))
    return directory


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    with serving(type("Handler", (Asked,), {"registry": made})) as made.host:
        yield made
        made.over.set()


@pytest.fixture(params=["in process", "service"])
def pull(
    request: pytest.FixtureRequest, bpfman_paths: Paths, registry: Registry, start: Start
) -> Callable[[str], Command]:
    """Starts to pull an image; returns when the registry has begun to answer."""
    bpfman_paths.config.write_text("")
    if request.param == "service":
        start(HEEDING, "system", "service", "--timeout=0")
        wait_until(lambda: available(bpfman_paths.socket), "it listens", timeout=DEADLINE)

    def started(option: str) -> Command:
        command = start(option, "image", "pull", registry.url)
        wait_until(registry.asked.is_set, "the registry is asked", timeout=DEADLINE)
        return command

    return started


def ended(command: Command) -> tuple[int, str, str]:
    """Its exit status and what it said, as soon as it ends by itself."""
    stdout, stderr = command.communicate(timeout=DEADLINE)
    return command.returncode, stdout, stderr


@pytest.mark.parametrize("words", [("list",), ("image", "pull", "x"), ("system", "service"), ()])
def test_before_it_has_begun_it_dies_without_a_word(start, click, words) -> None:
    command = start(HEEDING, *words)
    wait_until((click / "begun").exists, "modules are imported", timeout=DEADLINE)
    command.send_signal(signal.SIGINT)
    assert ended(command) == (-signal.SIGINT, "", "")


def test_before_it_has_begun_it_is_ignored_where_it_was(start, click) -> None:
    command = start(IGNORING, "list")
    wait_until((click / "begun").exists, "modules are imported", timeout=DEADLINE)
    command.send_signal(signal.SIGINT)
    (click / "go").touch()
    assert ended(command) == (7, "", "")


@pytest.mark.kernel
def test_later_it_is_told_in_a_line(pull, registry) -> None:
    command = pull(HEEDING)
    command.send_signal(signal.SIGINT)
    status, stdout, stderr = ended(command)
    assert (status, stdout, stderr.strip()) == (130, "", "bpfman: interrupted")
    assert not registry.over.is_set()


@pytest.mark.kernel
def test_later_it_is_ignored_where_it_was(pull, registry) -> None:
    command = pull(IGNORING)
    command.send_signal(signal.SIGINT)
    registry.over.set()
    status, stdout, stderr = ended(command)
    assert (status, stdout) == (3, "")
    assert stderr.startswith(f"bpfman: {registry.host} has no image {registry.url}")
    assert stderr.count("\n") == 1
