"""Chains that change under traffic: every packet meets one chain, whole, and none is lost."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from bpfman_core.api import AttachPart, FileSource, LoadRequest, ProgramRequest, UpdateRequest
from bpfman_core.handler import Handler, local
from bpfman_core.testing.network import Port, Veth

pytestmark = pytest.mark.kernel

CHANGES = 300
SIGNERS = 6
TRACE = struct.Struct("=B15sQ")
SENDER = """
import sys, time
from bpfman_core.testing.network import Namespace, Port, frame
import struct
port = Port(sys.argv[1], Namespace(sys.argv[2]))
number = 0
with port._open(0) as wire:
    print("sending", flush=True)
    while True:
        for _ in range(20):
            wire.send(frame(struct.pack("=B15sQ", 0, b"", number)))
            number += 1
        time.sleep(0.002)
"""


@contextmanager
def traffic(port: Port) -> Iterator[None]:
    """Numbered frames out of `port`, some thousand a second, from another process."""
    command = [sys.executable, "-c", SENDER, port.name, port.namespace.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as sender:
        try:
            assert sender.stdout is not None
            assert sender.stdout.readline()
            yield
        finally:
            sender.kill()


class Model:
    """What bpfman was told, and the traces that a packet may have had since the beginning."""

    def __init__(self) -> None:
        self.links: dict[int, tuple[int, int, int, bool]] = {}  # priority, link, signer, goes on
        self.versions: list[bytes] = []

    def note(self) -> None:
        trace = b""
        for _, _, signer, goes_on in sorted(self.links.values()):
            trace += bytes([signer])
            if not goes_on:
                break
        self.versions.append(trace)


@dataclass(frozen=True)
class Kind:
    """A hook: the program type's word, options that name it, its object, and what goes on."""

    word: str
    options: Mapping[str, str]
    object: str
    goes_on: str


XDP = Kind("xdp", {}, "tests/chain_trace", "pass")
INGRESS = Kind("tc", {"direction": "ingress"}, "tests/chain_trace_tc", "pipe")
CLSACT = Kind("tc", {**INGRESS.options, "hook": "clsact"}, INGRESS.object, "pipe")
EGRESS = Kind("tc", {"direction": "egress"}, "tests/chain_trace_tc", "pipe")


class Changer:
    """Makes one random change after the other; never empties the chain."""

    def __init__(self, handler: Handler, veth: Veth, kind: Kind, programs: list[int]) -> None:
        self.random = random.Random(7)
        self.handler = handler
        self.veth = veth
        self.kind = kind
        self.programs = programs
        self.model = Model()
        self.attach(0)

    def change(self) -> None:
        free = set(range(SIGNERS)) - {signer for _, _, signer, _ in self.model.links.values()}
        kinds = ["update"]
        kinds += ["attach"] * bool(free) + ["detach"] * (len(self.model.links) > 1)
        match self.random.choice(kinds):
            case "attach":
                self.attach(self.random.choice(sorted(free)))
            case "detach":
                self.detach(self.random.choice(sorted(self.model.links)))
            case "update":
                self.update(self.random.choice(sorted(self.model.links)))

    def attach(self, signer: int) -> None:
        priority, goes_on, options = self.options()
        near = self.veth.near
        place = {"iface": near.name, "netns": str(near.namespace.path)}
        part = AttachPart(self.kind.word, {**place, **self.kind.options, **options})
        link = self.handler.attach(self.programs[signer], part)
        self.model.links[link.id] = (priority, link.id, signer, goes_on)
        self.model.note()

    def update(self, link: int) -> None:
        priority, goes_on, options = self.options()
        self.handler.update(UpdateRequest(link, options))
        self.model.links[link] = (priority, link, self.model.links[link][2], goes_on)
        self.model.note()

    def detach(self, link: int) -> None:
        self.handler.detach(link)
        del self.model.links[link]
        self.model.note()

    def options(self) -> tuple[int, bool, dict[str, object]]:
        priority, goes_on = self.random.randrange(5), self.random.random() < 0.7
        verdicts = [self.kind.goes_on] if goes_on else ["redirect"]
        return priority, goes_on, {"priority": priority, "proceed_on": verdicts}


KINDS = {"xdp": XDP, "tc-ingress": INGRESS, "tc-egress": EGRESS, "tc-clsact": CLSACT}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_packet_is_lost_or_sees_half_a_chain(bpf_object, bpfman_paths, veth, kind) -> None:
    path = bpf_object(kind.object)
    handler = local(bpfman_paths)
    wanted = tuple(ProgramRequest(f"signer{number}", kind.word) for number in range(SIGNERS))
    source = FileSource(str(path), path.read_bytes())
    loaded = handler.load(LoadRequest(source, wanted))
    changer = Changer(handler, veth, kind, [view.kernel.id for view in loaded])

    leaving = kind is EGRESS
    sender, receiver = (veth.near, veth.far) if leaving else (veth.far, veth.near)
    with receiver.listen() as behind:
        with traffic(sender):
            behind.wait_for(1)
            for _ in range(CHANGES):
                changer.change()
                seen = len(behind.frames())
                behind.wait_for(seen + 1)
        frames = behind.frames()

    handler.unload_all()
    numbers, version = [], 0
    for caught in frames:
        count, signers, number = TRACE.unpack_from(caught, 14)
        numbers.append(number)
        while changer.model.versions[version] != signers[:count]:
            version += 1
            assert version < len(changer.model.versions), "a packet met no chain there ever was"
    assert numbers == list(range(len(numbers))), "a packet was lost, or came twice"
    assert version > CHANGES / 2
