"""Registries take their time: nobody else waits for them, and who does can still be told."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.exceptions import StreamTerminatedError

from bpfman_core.image.build import Built, NewImage, assemble
from bpfman_core.image.descriptor import INDEX, MANIFEST
from bpfman_core.image.manifest import host_platform
from bpfman_core.rpc.generated.bpfman_grpc import BpfmanStub
from bpfman_core.rpc.generated.extra_grpc import ExtraStub
from bpfman_core.rpc.generated.extra_pb2 import GetInfoRequest
from bpfman_core.testing.agreement import check_agreement, pinned
from bpfman_core.testing.waiting import wait_until
from tests.cli.conftest import BPFMAN, Shell
from tests.image.registries import serving

pytestmark = pytest.mark.kernel

DEADLINE = 30.0  # seconds
STOPPED = 15.0  # seconds that a service may take to stop, whatever registries do
DRIPS, STALLS = "drips", "stalls"
PIECE = 1 << 10  # bytes
PAUSE = 1 / 16  # seconds between pieces: the least pace that a body must keep
SIZE = 2 << 20  # bytes that so take two minutes
THREADS = 8  # for what is fetched
PASS = "examples/xdp_pass"
GONE = "the caller went away; nothing was changed"

Client = subprocess.Popen[str]


class Registry:
    """Holds an image whose index drips under one tag, and stalls after its head under another.

    `held` has the tag of every answer that was begun and has not ended.
    """

    def __init__(self, image: Built) -> None:
        self.host = ""
        self.held: list[str] = []
        self._image = image
        self._free = threading.Event()

    def url(self, tag: str) -> str:
        return f"{self.host}/team/pass:{tag}"

    def let_finish(self) -> None:
        """Send at once all that is left, and do not hold up what is asked from now on."""
        self._free.set()

    def answer(self, asked: Asked) -> None:
        name = asked.path.rpartition("/")[2]
        if name in (DRIPS, STALLS):
            index = self._image.blobs[self._image.top.digest].ljust(SIZE)
            asked.begin(200, INDEX, SIZE)
            self._slowly(asked, name, index)
        elif name in self._image.blobs:
            data = self._image.blobs[name]
            asked.begin(200, MANIFEST, len(data))
            asked.wfile.write(data)
        else:
            asked.begin(404, "", 0)

    def _slowly(self, asked: Asked, tag: str, data: bytes) -> None:
        self.held.append(tag)
        try:
            sent = 0
            while not self._free.wait(PAUSE):
                if tag == DRIPS:
                    asked.wfile.write(data[sent : sent + PIECE])
                    sent += PIECE
            asked.wfile.write(data[sent:])
        finally:
            self.held.remove(tag)


class Asked(BaseHTTPRequestHandler):
    registry: Registry

    def do_GET(self) -> None:
        with suppress(ConnectionError):
            self.registry.answer(self)

    def begin(self, status: int, kind: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bpfman(bpfman_paths, veth, bpf_object) -> Iterator[Shell]:
    shell = Shell(bpfman_paths, veth, bpf_object)
    bpfman_paths.config.write_text("")
    yield shell
    shell.unload_all()


@pytest.fixture
def registry(bpfman) -> Iterator[Registry]:
    """On loopback where bpfman runs; bpfman is patient with it."""
    data = bpfman.compiled(PASS).read_bytes()
    architecture = host_platform().partition("/")[2]
    image = assemble(NewImage("pass.o", {architecture: data}, {"pass": "xdp"}, {}))
    made = Registry(image)
    with ExitStack() as stack:
        with bpfman.veth.near.namespace.inside():
            made.host = stack.enter_context(serving(type("Handler", (Asked,), {"registry": made})))
        stack.callback(made.let_finish)
        bpfman.paths.config.write_text(
            f'[images]\nseeds = []\n[registries."{made.host}"]\ntimeout = 20\n'
        )
        yield made


@pytest.fixture
def start(bpfman) -> Iterator[Callable[..., Client]]:
    """Starts a command and does not wait; it heeds SIGINT. What still runs at the end is killed."""
    with ExitStack() as stack:

        def started(*words: object) -> Client:
            command = ["env", "--default-signal=INT", BPFMAN, *map(str, words)]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            with bpfman.veth.near.namespace.inside():
                client = stack.enter_context(subprocess.Popen(command, **pipes))
            stack.callback(client.kill)
            return client

        yield started


def ended(client: Client) -> tuple[int, str, str]:
    """Its exit status and what it said, as soon as it ends by itself."""
    stdout, stderr = client.communicate(timeout=DEADLINE)
    return client.returncode, stdout, stderr


def connections(bpfman: Shell, service: subprocess.Popen[bytes]) -> int:
    """How many clients the service has accepted and not hung up on."""
    rows = Path(f"/proc/{service.pid}/net/unix").read_text().splitlines()
    ours = [row.split() for row in rows if row.endswith(f" {bpfman.paths.socket}")]
    return sum(row[5] == "03" for row in ours)


def opened(process: subprocess.Popen[bytes]) -> set[str]:
    """The names of what a process has open."""
    found = set()
    for number in os.listdir(f"/proc/{process.pid}/fd"):
        with suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/{process.pid}/fd/{number}"))
    return found


def all_have_asked(bpfman: Shell, service: subprocess.Popen[bytes], clients: list[Client]) -> None:
    """Return when these clients and no others are connected, past the question who listens.

    What another asks after that is answered after their requests have come.
    """
    wait_until(
        lambda: (
            all("anon_inode:[eventpoll]" in opened(client) for client in clients)
            and connections(bpfman, service) == len(clients)
        ),
        "all clients are connected",
        timeout=DEADLINE,
    )
    bpfman("list")


@contextmanager
def waiting_for_the_lock(
    bpfman: Shell, service: subprocess.Popen[bytes], start: Callable[..., Client]
) -> Iterator[Client]:
    """A client whose load waits, in the service, for the writer lock until the block ends."""
    # before it listens the service itself takes the lock
    wait_until(lambda: events(bpfman, "listening"), "it has prepared", timeout=DEADLINE)
    with bpfman.locked():
        client = start("load", "file", "-p", bpfman.compiled(PASS), *bpfman.xdp())
        lock = str(bpfman.paths.lock)
        wait_until(lambda: lock in opened(service), "the load wants the lock", timeout=DEADLINE)
        assert client.poll() is None
        yield client


def events(bpfman: Shell, beginning: str) -> list[str]:
    """The lines of the service's log that begin so."""
    return [line["event"] for line in bpfman.log if line["event"].startswith(beginning)]


def test_nobody_else_waits_for_slow_registries(bpfman, registry, start) -> None:
    with bpfman.service() as service:
        first = bpfman.load(PASS, *bpfman.xdp())
        (link,) = bpfman("list", "links", "--quiet").split()
        urls = [registry.url(tag) for tag in (DRIPS, STALLS)] * 5
        pulls = [start("image", "pull", url) for url in urls]
        wait_until(lambda: len(registry.held) >= THREADS, "the pulls wait", timeout=DEADLINE)
        gone = start("load", "image", "-i", urls[0], *bpfman.xdp(70))
        all_have_asked(bpfman, service, [*pulls, gone])

        second = bpfman.load("examples/xdp_counter", *bpfman.xdp(60))
        bpfman("detach", link)
        bpfman("unload", first)
        assert bpfman.ids() == [second]
        assert len(registry.held) >= THREADS
        assert [pull.poll() for pull in pulls] == [None] * 10

        gone.send_signal(signal.SIGINT)
        assert ended(gone)[0] == 130
        wait_until(lambda: connections(bpfman, service) == 10, "it is gone", timeout=DEADLINE)
        registry.let_finish()
        assert [ended(pull) for pull in pulls] == [(0, "", "")] * 10
        loading = f"load the only program of {urls[0]}: "
        wait_until(lambda: events(bpfman, loading), "the load has ended", timeout=DEADLINE)
        assert events(bpfman, loading) == [f"{loading}failed: {GONE}"]
        assert bpfman.ids() == [second]
        bpfman.delivered()
        bpfman.stop(service)


@pytest.mark.parametrize("tag", [DRIPS, STALLS])
def test_a_stop_does_not_wait_for_slow_registries(bpfman, registry, start, tag) -> None:
    url = registry.url(tag)
    with bpfman.service() as service:
        bpfman.load(PASS, *bpfman.xdp())
        clients = [start("load", "image", "-i", url, *bpfman.xdp(60))]
        clients += [start("image", "pull", url) for _ in range(THREADS)]
        wait_until(lambda: len(registry.held) == THREADS, "the pulls wait", timeout=DEADLINE)
        all_have_asked(bpfman, service, clients)
        service.send_signal(signal.SIGTERM)
        assert service.wait(STOPPED) == 0
        said = "bpfman: the service is stopping; nothing was changed\n"
        assert [ended(client) for client in clients] == [(1, "", said)] * 9
    assert pinned(bpfman.paths) == []
    assert bpfman.ids() == []


def test_a_stop_does_not_wait_for_who_asks_nothing(bpfman) -> None:
    """A client that begins a request, and never says what it wants."""

    async def begin(ended: Callable[[], int]) -> int:
        channel = Channel(path=str(bpfman.paths.socket))
        try:
            async with BpfmanStub(channel).Unload.open() as stream:
                await stream.send_request()
                await ExtraStub(channel).GetInfo(GetInfoRequest())  # the other has come by now
                status = await asyncio.to_thread(ended)
                with suppress(GRPCError, StreamTerminatedError):
                    await stream.cancel()
        except (GRPCError, StreamTerminatedError):
            pass  # it is told, if there is still time for that
        finally:
            channel.close()
        return status

    with bpfman.service() as service:

        def stopped() -> int:
            service.send_signal(signal.SIGTERM)
            return service.wait(STOPPED)

        assert asyncio.run(begin(stopped)) == 0


def test_what_is_at_hand_does_not_wait_for_slow_registries(bpfman, registry, start) -> None:
    bpfman("image", "build", "-t", "quay.io/x/here:1", "-b", bpfman.compiled(PASS))
    with bpfman.service() as service:
        pulls = [start("image", "pull", registry.url(DRIPS)) for _ in range(THREADS + 1)]
        wait_until(lambda: len(registry.held) == THREADS, "the pulls wait", timeout=DEADLINE)
        all_have_asked(bpfman, service, pulls)
        here = ("load", "image", "-i", "quay.io/x/here:1", "--pull-policy", "Never")
        bpfman(*here, *bpfman.xdp())
        assert [pull.poll() for pull in pulls] == [None] * (THREADS + 1)
        bpfman.stop(service)


def test_beginning_anew_does_not_wait_for_slow_registries(bpfman, registry, start) -> None:
    with bpfman.service() as service:
        program = bpfman.load(PASS, *bpfman.xdp())
        client = start("image", "pull", registry.url(DRIPS))
        wait_until(lambda: registry.held, "the pull waits", timeout=DEADLINE)
        service.send_signal(signal.SIGHUP)
        status, _, said = ended(client)
        assert (status, said.count("\n")) == (1, 1)
        assert "the service is stopping; nothing was changed" in said
        assert bpfman.ids() == [program]
        bpfman.stop(service)


@pytest.mark.parametrize("tag", [DRIPS, STALLS])
def test_what_an_interrupted_client_wanted_is_not_loaded(bpfman, registry, start, tag) -> None:
    """Neither while the registry goes on, nor when it lets the whole image have at last."""
    url = registry.url(tag)
    loading = f"load the only program of {url}: "
    with bpfman.service() as service:
        client = start("load", "image", "-i", url, *bpfman.xdp())
        wait_until(lambda: registry.held, "the load waits", timeout=DEADLINE)
        client.send_signal(signal.SIGINT)
        status, stdout, stderr = ended(client)
        assert (status, stdout, stderr.strip()) == (130, "", "bpfman: interrupted")
        wait_until(lambda: not connections(bpfman, service), "it is gone", timeout=DEADLINE)
        if tag == STALLS:
            assert events(bpfman, loading) == []
            registry.let_finish()
        wait_until(lambda: events(bpfman, loading), "the load has ended", timeout=DEADLINE)
        assert events(bpfman, loading) == [f"{loading}failed: {GONE}"]
        assert bpfman.ids() == []
        check_agreement(bpfman.paths)
        bpfman.stop(service)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_change_is_not_cut_short(bpfman, start, how) -> None:
    with bpfman.service() as service:
        with waiting_for_the_lock(bpfman, service, start) as client:
            client.send_signal(how)
            assert ended(client)[0] == (130 if how == signal.SIGINT else -signal.SIGKILL)
            wait_until(lambda: not connections(bpfman, service), "it is gone", timeout=DEADLINE)
            assert events(bpfman, "load ") == []
        wait_until(lambda: events(bpfman, "load "), "the load has ended", timeout=DEADLINE)
        (said,) = events(bpfman, "load ")
        assert said.endswith(": done")
        check_agreement(bpfman.paths)
        (program,) = bpfman.ids()
        assert bpfman.json("get", program)["bpfman"]["links"][0]["attached"]
        bpfman.delivered()
        bpfman.stop(service)
    assert pinned(bpfman.paths) == []
