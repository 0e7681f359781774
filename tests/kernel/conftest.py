"""What the tests of chains share: a chain on a veth pair, and members that count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bpfman_core.dispatch.chain import Chain
from bpfman_core.dispatch.members import Member
from bpfman_core.dispatch.selftest import require_dispatcher
from bpfman_core.kernel.fd import Fd
from bpfman_core.model import Json
from bpfman_core.paths import Paths
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
