"""TC programs: chains on ingress and egress, and TCX links in the kernel's own order."""

from __future__ import annotations

import struct
import subprocess

import pytest

from bpfman_core.api import AttachPart, UpdateRequest
from bpfman_core.errors import Conflict, Full, InvalidRequest
from bpfman_core.handler import local
from bpfman_core.kernel import maps, pins
from bpfman_core.testing.agreement import check_agreement
from bpfman_core.testing.hooks import TC as TC_HOOK
from bpfman_core.testing.hooks import attach_tcx
from bpfman_core.testing.network import namespace, veth_pair
from bpfman_core.testing.programs import constant
from bpfman_core.testing.waiting import wait_until

pytestmark = pytest.mark.kernel

UNSPEC, OK, RECLASSIFY, SHOT, PIPE, STOLEN, QUEUED, REPEAT, _, TRAP = range(-1, 9)
DIRECTIONS = ("ingress", "egress")
EITHER = ("tc", "tcx")


@pytest.fixture(params=DIRECTIONS)
def direction(request) -> str:
    return request.param


class Tc:
    """Programs on one direction of the near end of a veth pair."""

    def __init__(self, bpfman, direction: str, hook: str = "auto") -> None:
        self.bpfman = bpfman
        self.hook = hook
        self.direction = direction
        near, far = bpfman.veth.near, bpfman.veth.far
        self.sender, self.receiver = (far, near) if direction == "ingress" else (near, far)

    def part(self, word: str, priority: int, **options) -> AttachPart:
        place = self.bpfman.place(priority).options
        where = {"hook": self.hook} if word == "tc" else {}
        return AttachPart(word, {**place, "direction": self.direction, **where, **options})

    def load(self, priority: int = 50, verdict: int = PIPE, word: str = "tc", **options) -> int:
        part = self.part(word, priority, **options)
        request = {"word": word, "globals": {"verdict": struct.pack("=i", verdict)}}
        loaded = self.bpfman.load("tc_counter", part, of="examples/tc_counter", **request)
        return loaded.kernel.id

    def count(self, program: int) -> int:
        """How often a program ran, whatever its verdict."""
        with pins.open_pin(self.bpfman.paths.map_pin(program, "traffic")) as held:
            values = [maps.lookup(held, struct.pack("=I", key)) for key in range(16)]
        return sum(count for value in values for (count,) in struct.iter_unpack("=Q8x", value))

    def send(self, packets: int = 10, *, delivered: bool = True) -> None:
        """Send packets: all of them arrive, or none."""
        with self.receiver.listen() as behind:
            self.sender.send(packets)
            if delivered:
                behind.wait_for(packets)
            else:
                assert behind.frames() == []

    def link(self, program: int):
        return self.bpfman.handler.get(program).links[0]


@pytest.fixture(params=["tcx", "clsact"])
def hook(request) -> str:
    """Where chains run."""
    return request.param


@pytest.fixture
def tc(bpfman, direction: str, hook: str) -> Tc:
    return Tc(bpfman, direction, hook)


@pytest.mark.parametrize("word", EITHER)
def test_counts_and_order(tc, word: str) -> None:
    verdict = PIPE if word == "tc" else UNSPEC
    loaded = {each: tc.load(each, verdict, word) for each in (100, 50, 200)}
    tc.send(10)
    assert [tc.count(program) for program in loaded.values()] == [10, 10, 10]
    assert {each: tc.link(program).position for each, program in loaded.items()} == {
        50: 0,
        100: 1,
        200: 2,
    }
    between = tc.load(150, OK, word)
    tc.send(7)
    assert [tc.count(program) for program in loaded.values()] == [17, 17, 10]
    assert tc.count(between) == 7
    for program in (loaded[100], between, loaded[50], loaded[200]):
        tc.bpfman.handler.unload(program)
        tc.send(1)
        check_agreement(tc.bpfman.paths)


@pytest.mark.parametrize("word", EITHER)
def test_the_other_direction_is_another_hook(bpfman, word: str) -> None:
    arriving, leaving = Tc(bpfman, "ingress"), Tc(bpfman, "egress")
    first, second = arriving.load(50, OK, word), leaving.load(50, OK, word)
    assert arriving.link(first).position == leaving.link(second).position == 0
    arriving.send(3)
    leaving.send(5)
    assert (arriving.count(first), leaving.count(second)) == (3, 5)


@pytest.mark.parametrize("verdict", [UNSPEC, OK, RECLASSIFY, PIPE, QUEUED, REPEAT])
def test_verdicts_that_deliver(tc, verdict: int) -> None:
    program = tc.load(50, verdict)
    tc.send(5)
    assert tc.count(program) == 5


@pytest.mark.parametrize("verdict", [SHOT, STOLEN, TRAP])
def test_verdicts_that_consume(bpfman, hook: str, verdict: int) -> None:
    tc = Tc(bpfman, "ingress", hook)
    program, behind = tc.load(50, verdict), tc.load(60)
    tc.sender.send(5)
    wait_until(lambda: tc.count(program) == 5, "the program ran")
    assert tc.count(behind) == 0
    tc.send(2, delivered=False)


@pytest.mark.parametrize(
    ("verdict", "name"),
    [
        *((UNSPEC, "unspec"), (OK, "ok"), (RECLASSIFY, "reclassify"), (SHOT, "shot")),
        *((PIPE, "pipe"), (STOLEN, "stolen"), (QUEUED, "queued"), (TRAP, "trap")),
    ],
)
def test_proceed_on_each_verdict(tc, verdict: int, name: str) -> None:
    first, second = tc.load(50, verdict, proceed_on=[name]), tc.load(60)
    tc.send(5)
    assert [tc.count(first), tc.count(second)] == [5, 5]
    others = [other for other in ("ok", "unspec", "shot") if other != name]
    tc.bpfman.handler.update(UpdateRequest(tc.link(first).id, {"proceed_on": others}))
    if tc.direction == "ingress":  # on egress a sender hears of a packet that is dropped
        tc.sender.send(5)
        wait_until(lambda: tc.count(first) == 10, "the first one ran")
        assert tc.count(second) == 5


def test_a_chain_of_32_and_no_more(tc) -> None:
    program = tc.load(1)
    for number in range(31):
        tc.bpfman.handler.attach(program, tc.part("tc", 2 + number))
    tc.send(3)
    assert tc.count(program) == 96
    with pytest.raises(Full, match="32 programs"):
        tc.load(5)
    check_agreement(tc.bpfman.paths)


def test_tcx_programs_come_before_the_chain(tc) -> None:
    chained = tc.load(1)
    before = tc.load(100, SHOT if tc.direction == "ingress" else UNSPEC, "tcx")
    if tc.direction == "ingress":
        tc.send(4, delivered=False)
        wait_until(lambda: tc.count(before) == 4, "the TCX program ran")
        assert tc.count(chained) == 0
    else:
        tc.send(4)
        assert [tc.count(before), tc.count(chained)] == [4, 4]


def test_equal_priorities_of_tcx_run_in_the_order_of_attaching(tc) -> None:
    loaded = [tc.load(50, UNSPEC, "tcx") for _ in range(3)]
    assert [tc.link(program).position for program in loaded] == [0, 1, 2]
    last = tc.load(50, OK, "tcx")
    tc.send(2)
    assert [tc.count(program) for program in (*loaded, last)] == [2, 2, 2, 2]


def test_a_program_is_on_a_tcx_hook_once(tc) -> None:
    program = tc.load(50, UNSPEC, "tcx")
    with pytest.raises(Conflict, match="already"):
        tc.bpfman.handler.attach(program, tc.part("tcx", 60))
    check_agreement(tc.bpfman.paths)


def test_links_of_others_stay_and_run(bpfman) -> None:
    tc = Tc(bpfman, "ingress")
    with constant(TC_HOOK, UNSPEC) as stranger, attach_tcx(stranger, bpfman.veth.near):
        mine = tc.load(50, UNSPEC, "tcx")
        chained = tc.load(50)
        tc.send(5)
        assert [tc.count(mine), tc.count(chained)] == [5, 5]


@pytest.mark.parametrize("word", EITHER)
def test_an_interface_that_goes_takes_the_link_along(tc, word: str) -> None:
    program = tc.load(50, UNSPEC, word)
    tc.bpfman.veth.near.delete()
    assert not tc.link(program).attached
    tc.bpfman.handler.unload(program)


@pytest.mark.parametrize("word", EITHER)
def test_bad_directions_and_interfaces(bpfman, word: str) -> None:
    tc = Tc(bpfman, "sideways")
    with pytest.raises(InvalidRequest, match="'sideways' is none of ingress, egress"):
        tc.load(50, OK, word)
    tc = Tc(bpfman, "ingress")
    with pytest.raises(InvalidRequest, match="no interface 'none0'"):
        tc.load(50, OK, word, iface="none0")
    check_agreement(bpfman.paths)


# ---- clsact


def kinds(bpfman) -> list[str]:
    """The qdiscs of the near end."""
    near = bpfman.veth.near
    lines = near.namespace.ip("-d", "link", "show", near.name)
    assert near.name in lines
    return [line.split()[1] for line in run_tc(near, "qdisc", "show", "dev", near.name)]


def run_tc(port, *words: str) -> list[str]:
    command = ["tc", "-n", port.namespace.name, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.fixture
def clsact(bpfman) -> Tc:
    return Tc(bpfman, "ingress", "clsact")


def test_our_qdisc_goes_with_its_last_user(clsact) -> None:
    bpfman = clsact.bpfman
    leaving = Tc(bpfman, "egress", "clsact")
    first, second = clsact.load(), leaving.load()
    assert "clsact" in kinds(bpfman)
    bpfman.handler.unload(first)
    leaving.send(3)
    assert leaving.count(second) == 3
    assert "clsact" in kinds(bpfman)
    bpfman.handler.unload(second)
    assert "clsact" not in kinds(bpfman)


def test_a_qdisc_of_others_stays(clsact) -> None:
    near = clsact.bpfman.veth.near
    run_tc(near, "qdisc", "add", "dev", near.name, "clsact")
    clsact.bpfman.handler.unload(clsact.load())
    assert "clsact" in kinds(clsact.bpfman)


def test_filters_of_others_stay_and_keep_the_qdisc(clsact, bpf_object) -> None:
    near = clsact.bpfman.veth.near
    program = clsact.load(50, UNSPEC)
    other = ("prio", "99", "bpf", "da", "obj", str(bpf_object("examples/tc_pass")), "sec", "tc")
    run_tc(near, "filter", "add", "dev", near.name, "ingress", "protocol", "all", *other)
    clsact.send(4)
    assert clsact.count(program) == 4
    clsact.bpfman.handler.unload(program)
    assert "tc_pass" in "".join(run_tc(near, "filter", "show", "dev", near.name, "ingress"))
    assert "clsact" in kinds(clsact.bpfman)
    clsact.send(2)


def test_an_ingress_qdisc_of_others_is_refused(clsact) -> None:
    near = clsact.bpfman.veth.near
    run_tc(near, "qdisc", "add", "dev", near.name, "ingress")
    with pytest.raises(Conflict, match="ingress qdisc"):
        clsact.load()
    assert "ingress" in kinds(clsact.bpfman)
    check_agreement(clsact.bpfman.paths)


def test_a_filter_of_others_in_our_place_is_named_and_stays(clsact, bpf_object) -> None:
    near = clsact.bpfman.veth.near
    run_tc(near, "qdisc", "add", "dev", near.name, "clsact")
    program = ("bpf", "da", "obj", str(bpf_object("examples/tc_pass")), "sec", "tc")
    place = ("protocol", "all", "prio", "50", "handle", "1")
    run_tc(near, "filter", "add", "dev", near.name, "ingress", *place, *program)
    with pytest.raises(Conflict, match="somebody else is at priority 50"):
        clsact.load()
    assert "tc_pass" in "".join(run_tc(near, "filter", "show", "dev", near.name, "ingress"))
    check_agreement(clsact.bpfman.paths)


def test_a_chain_stays_on_its_hook(clsact) -> None:
    first = clsact.load()
    on_any = Tc(clsact.bpfman, "ingress")
    second = on_any.load(60)
    rows = [dict(clsact.link(program).rows)["TC Hook"] for program in (first, second)]
    assert rows == ["clsact", "clsact"]
    with pytest.raises(Conflict, match="run on clsact"):
        Tc(clsact.bpfman, "ingress", "tcx").load()
    clsact.send(3)
    assert [clsact.count(program) for program in (first, second)] == [3, 3]


def test_the_configuration_chooses_the_hook(bpfman) -> None:
    near = bpfman.veth.near
    bpfman.paths.config.write_text(f'[interfaces.{near.name}]\ntc_hook = "clsact"\n')
    bpfman.handler = local(bpfman.paths)
    tc = Tc(bpfman, "ingress")
    assert dict(tc.link(tc.load()).rows)["TC Hook"] == "clsact"


def test_pins_removed_by_hand_leave_clsact_open(clsact) -> None:
    bpfman = clsact.bpfman
    clsact.load(50, SHOT)
    for path in sorted(bpfman.paths.bpffs.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        elif not path.name.endswith(".debug"):
            path.unlink()
    wait_until(lambda: _passes(clsact), "the table is empty")  # the kernel frees a pin after RCU
    clsact.send(3)
    bpfman.handler.prepare()
    again = clsact.load(50, PIPE)
    clsact.send(2)
    assert clsact.count(again) == 2


def _passes(tc: Tc) -> bool:
    with tc.receiver.listen() as behind:
        tc.sender.send()
        return bool(behind.frames())


def test_a_namespace_that_is_gone_takes_clsact_chains_along(bpfman) -> None:
    with namespace() as near, namespace() as far, veth_pair(near, far) as pair:
        where = {"iface": pair.near.name, "netns": str(near.path), "priority": 1}
        part = AttachPart("tc", {**where, "direction": "ingress", "hook": "clsact"})
        loaded = bpfman.load(None, part, of="examples/tc_counter", word="tc")
    assert not bpfman.handler.get(loaded.kernel.id).links[0].attached
    bpfman.handler.prepare()
    bpfman.handler.unload(loaded.kernel.id)
