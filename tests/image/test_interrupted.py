"""Who is ended in the middle leaves everything whole; what is slow says so on a terminal."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bpfman_core.image.cache import Cache
from bpfman_core.image.descriptor import Descriptor, document
from bpfman_core.image.manifest import descriptors, resolve
from bpfman_core.image.reference import Reference
from bpfman_core.testing.waiting import wait_until
from tests.cli.conftest import BPFMAN
from tests.image.hostile import NAME, hostile_registry, reply

pytestmark = pytest.mark.kernel

HERE = "quay.io/tests/here:1"
UPLOADS = f"/v2/{NAME}/blobs/uploads/"


class Gate:
    """An answer that sends half of a body, and the rest when it is opened."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, asked) -> None:
        half = len(self._data) // 2
        asked.send_response(200)
        asked.send_header("Content-Length", str(len(self._data)))
        asked.end_headers()
        asked.send(self._data[:half])
        self.reached.set()
        self.opened.wait(20)
        asked.send(self._data[half:])


@pytest.fixture
def registry(bpfman, good):
    """One that holds the good image, and takes whatever is pushed."""
    with hostile_registry() as found:
        found.hold(good)
        found.url = f"{found.host}/{NAME}:1"
        yield found


@pytest.fixture
def gate(registry, good) -> Iterator[Gate]:
    """Holds up the layer."""
    read = lambda one, _: good.blobs[one.digest]  # noqa: E731
    (layer,) = resolve(good.top, read).layers
    made = Gate(good.blobs[layer.digest])
    registry.answers[f"/v2/{NAME}/blobs/{layer.digest}"] = made
    yield made
    made.opened.set()


@pytest.fixture
def cache(bpfman, built) -> Cache:
    """bpfman's own, with another image in it."""
    image = built("xdp_drop", "drop")
    found = Cache(bpfman.paths.images)
    found.put(Reference.parse(HERE), image.top, image.blobs)
    return found


def images(cache: Cache) -> list[str]:
    """Those in the cache; each must be whole."""
    names = []
    for top in cache.images():
        name = top.annotations["org.opencontainers.image.ref.name"]
        repository = cache.repository(Reference.parse(name))
        for layer in resolve(top, repository.read).layers:
            repository.read(layer, layer.size)
        names.append(name)
    return names


@contextmanager
def running(*words: object) -> Iterator[subprocess.Popen[bytes]]:
    command = ["env", "--default-signal=INT", BPFMAN, *map(str, words)]
    with subprocess.Popen(command, stdout=-1, stderr=-1) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_in_the_middle_of_a_layer(bpfman, registry, gate, cache, how) -> None:
    with running("image", "pull", registry.url) as process:
        assert gate.reached.wait(20)
        process.send_signal(how)
        said = process.communicate(timeout=20)[1]
    if how == signal.SIGINT:
        assert (process.returncode, said.strip()) == (130, b"bpfman: interrupted")
    assert images(cache) == [HERE]
    gate.opened.set()
    bpfman("image", "pull", registry.url)
    assert images(cache) == [registry.url, HERE]
    assert not (cache.directory / "incoming").exists()


def test_in_the_middle_of_a_load(bpfman, registry, gate, cache) -> None:
    with running("load", "image", "-i", registry.url, *bpfman.xdp()) as process:
        assert gate.reached.wait(20)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert (bpfman.ids(), images(cache)) == ([], [HERE])


def test_in_the_middle_of_a_push(bpfman, registry, cache) -> None:
    reached, opened = threading.Event(), threading.Event()

    def stall(_) -> None:
        reached.set()
        opened.wait(20)

    begun = reply(status=202, Location=f"{UPLOADS}1")
    registry.answers = {UPLOADS: begun, f"{UPLOADS}1": stall}
    with running("image", "push", HERE, registry.url) as process:
        assert reached.wait(20)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1].strip() == b"bpfman: interrupted"
    opened.set()
    assert images(cache) == [HERE]
    registry.answers = {UPLOADS: begun, f"{UPLOADS}1": reply(status=201)}
    top = cache.images()[0]
    for place in ("1", *(row.digest for row in _manifests(cache, top))):
        registry.answers[f"/v2/{NAME}/manifests/{place}"] = reply(status=201)
    assert top.digest in bpfman("image", "push", HERE, registry.url)


def _manifests(cache: Cache, top: Descriptor) -> tuple[Descriptor, ...]:
    return descriptors(document(cache.read(top, 1 << 20)), "manifests")


# ---- progress


@contextmanager
def on_a_terminal(*words: object) -> Iterator[list[str]]:
    """Runs bpfman with its stderr on a terminal; what it says there is in the list, in the end."""
    ours, theirs = pty.openpty()
    said: list[str] = []
    with subprocess.Popen([BPFMAN, *map(str, words)], stdout=-1, stderr=theirs) as process:
        os.close(theirs)
        reader = threading.Thread(target=_read, args=(ours, said))
        reader.start()
        try:
            yield said
            assert process.wait(30) == 0
        finally:
            process.kill()
            reader.join()
            os.close(ours)


def _read(terminal: int, said: list[str]) -> None:
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            return  # the other end is closed
        said.append(piece.decode())


def test_a_slow_pull_says_so(registry, gate) -> None:
    with on_a_terminal("image", "pull", registry.url) as said:
        line = re.compile(rf"\r\x1b\[KPulling {re.escape(registry.url)}: \d s, 0\.0 MB")
        wait_until(lambda: line.search("".join(said)), "a line of progress", timeout=20)
        gate.opened.set()
    assert "".join(said).endswith("\r\x1b[K")


def test_a_slow_push_says_so(registry, cache) -> None:
    opened = threading.Event()

    def slow(asked) -> None:
        opened.wait(20)
        reply(status=201)(asked)

    registry.answers = {UPLOADS: reply(status=202, Location=f"{UPLOADS}1"), f"{UPLOADS}1": slow}
    for digest in ("1", *(row.digest for row in _manifests(cache, cache.images()[0]))):
        registry.answers[f"/v2/{NAME}/manifests/{digest}"] = reply(status=201)
    with on_a_terminal("image", "push", HERE, registry.url) as said:
        line = re.compile(rf"Pushing {re.escape(registry.url)}: \d s, 0\.0 MB")
        wait_until(lambda: line.search("".join(said)), "a line of progress", timeout=20)
        opened.set()
    assert "".join(said).endswith("\r\x1b[K")


def test_what_is_quick_says_nothing(registry, cache) -> None:
    with on_a_terminal("image", "list") as said:
        pass
    assert said == []
