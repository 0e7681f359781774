"""What the tests share: a chain on a veth pair with members that count, and bpfman itself."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bpfman_core.api import AttachPart, FileSource, LoadRequest, ProgramRequest
from bpfman_core.dispatch.chain import Chain
from bpfman_core.dispatch.members import Member
from bpfman_core.dispatch.selftest import require_dispatcher
from bpfman_core.handler import local
from bpfman_core.kernel import maps, pins
from bpfman_core.kernel.fd import Fd
from bpfman_core.model import Json, ProgramView
from bpfman_core.paths import Paths
from bpfman_core.testing.agreement import check_agreement, pinned
from bpfman_core.testing.hooks import GENERIC, NATIVE, XDP, attach_xdp
from bpfman_core.testing.network import Veth
from bpfman_core.testing.programs import Scripted
from bpfman_core.testing.waiting import wait_until

GO_ON = XDP.verdicts.encode(["pass"])
FACTS: Mapping[str, Json] = {"interface": "veth"}


@dataclass(frozen=True)
class Bench:
    """A chain on the near end of a veth pair, and scripted programs to put into it."""

    chain: Chain
    directory: Path
    veth: Veth
    mode: int
    scripted: Scripted

    def attach(self, dispatcher: Fd) -> Fd:
        """Put a dispatcher on the interface."""
        return attach_xdp(dispatcher, self.veth.near, self.mode)

    def member(self, number: int, priority: int = 50, proceed_on: frozenset[int] = GO_ON) -> Member:
        """Scripted program `number` (0-based) as a member; its link id is one more."""
        program = self.scripted.ids[number]
        return Member(number + 1, program, f"scripted{number}", priority, proceed_on)

    def add(self, *members: Member) -> None:
        """Add members, one after the other."""
        for member in members:
            self.chain.add(member, self.attach, FACTS)

    def links(self) -> list[int]:
        """The link ids in the chain as the kernel has it, in order."""
        state = self.chain.read()
        return [member.link for member in state.members] if state else []

    def pins(self) -> list[str]:
        """The names in the chain's directory, sorted."""
        return sorted(path.name for path in self.directory.glob("*"))

    def passes(self, verdicts: list[int], counts: list[int]) -> None:
        """Send 10 packets: all pass, and the first programs run as often as `counts` says."""
        self.scripted.script(verdicts)
        with self.veth.near.listen() as behind:
            self.veth.far.send(10)
            behind.wait_for(10)
        assert self.scripted.counts()[: len(counts)] == counts

    def stops(self, verdicts: list[int], counts: list[int]) -> None:
        """Send 10 packets: none passes, and the first programs run as often as `counts` says."""
        self.scripted.script(verdicts)
        with self.veth.near.listen() as behind:
            self.veth.far.send(10)
            wait_until(
                lambda: self.scripted.counts()[: len(counts)] == counts,
                f"runs {counts}, not {self.scripted.counts()}",
            )
            assert behind.frames() == []


@pytest.fixture(params=[NATIVE, GENERIC], ids=["native", "generic"])
def mode(request: pytest.FixtureRequest) -> int:
    """The XDP mode, as flags of the attach."""
    return request.param


@pytest.fixture
def bench(bpfman_paths: Paths, veth: Veth, mode: int) -> Iterator[Bench]:
    """An empty chain in both modes, and five programs."""
    require_dispatcher(XDP)
    directory = bpfman_paths.bpffs / "chain"
    with Scripted(XDP, 5) as scripted:
        yield Bench(Chain(XDP, directory), directory, veth, mode, scripted)


class Installation:
    """bpfman in this process, with a runtime directory and a veth pair of its own."""

    def __init__(self, paths: Paths, veth: Veth, compiled: Callable[[str], Path]) -> None:
        self.paths = paths
        self.veth = veth
        self.compiled = compiled
        self.handler = local(paths)

    def place(self, priority: int = 50, **options: Json) -> AttachPart:
        """On the near end of the veth pair."""
        near = self.veth.near
        where = {"iface": near.name, "netns": str(near.namespace.path), "priority": priority}
        return AttachPart("xdp", {**where, **options})

    def request(
        self,
        name: str | None,
        attach: AttachPart | None = None,
        *,
        of: str = "examples/xdp_counter",
        word: str = "xdp",
        options: Mapping[str, Json] | None = None,
        **more: Any,
    ) -> LoadRequest:
        """Load a program of bpf/, and attach it where that is said."""
        path = self.compiled(of)
        program = ProgramRequest(name, word, options or {})
        source = FileSource(str(path), path.read_bytes())
        return LoadRequest(source, (program,), attach=attach, **more)

    def load(self, *args: Any, **more: Any) -> ProgramView:
        """Load one program."""
        return self.handler.load(self.request(*args, **more))[0]

    def order(self) -> list[int]:
        """The programs on the near end, in the order they run."""
        attached = [link for link in self.handler.links() if link.position is not None]
        return [link.program_id for link in sorted(attached, key=lambda link: link.position or 0)]

    def count(self, program: int, name: str = "traffic", layout: str = "=Q8x") -> int:
        """The sum of a per-CPU counter at the verdict XDP_PASS."""
        with pins.open_pin(self.paths.map_pin(program, name)) as held:
            value = maps.lookup(held, struct.pack("=I", 2))
        return sum(count for (count,) in struct.iter_unpack(layout, value))

    def delivered(self, packets: int = 10) -> None:
        """Send packets from the far end: all of them pass."""
        with self.veth.near.listen() as behind:
            self.veth.far.send(packets)
            behind.wait_for(packets)


@pytest.fixture
def bpfman(bpfman_paths: Paths, veth: Veth, bpf_object) -> Iterator[Installation]:
    """bpfman in this process; what the test leaves is unloaded."""
    installation = Installation(bpfman_paths, veth, bpf_object)
    yield installation
    del installation.handler  # pytest keeps the installation for longer than its files
    local(bpfman_paths).unload_all()
    check_agreement(bpfman_paths)
    assert pinned(bpfman_paths) == []
