"""`bpfman chain` shows what the kernel runs on each hook, others' programs too."""

from __future__ import annotations

import pytest

from bpfman_core.kernel import programs
from bpfman_core.testing.hooks import NATIVE, TC, XDP, attach_tcx, attach_xdp
from bpfman_core.testing.programs import constant

pytestmark = pytest.mark.kernel


def members(chain) -> list[tuple]:
    return [(one["program_id"], one["link_id"], one["priority"]) for one in chain["members"]]


def test_nothing_is_there(either) -> None:
    assert either("chain") == ""
    assert either.json("chain") == []


def test_xdp_in_order(either) -> None:
    late = either.load("examples/xdp_pass", *either.xdp(60, "--mode", "generic"))
    early = either.load("examples/xdp_pass", *either.xdp(50, "--proceed-on", "drop"))
    (chain,) = either.json("chain")
    assert (chain["type"], chain["iface"], chain["mode"]) == ("xdp", either.iface, "generic")
    assert members(chain) == [(early, 2, 50), (late, 1, 60)]
    assert chain["members"][0]["proceed_on"] == ["drop"]
    lines = either("chain").splitlines()
    assert lines[0] == f" xdp {either.iface} generic mode"
    assert lines[1].split() == [
        "Position",
        "Program",
        "ID",
        "Name",
        "Link",
        "ID",
        "Priority",
        "Proceed",
        "On",
    ]
    assert lines[2].split() == ["0", str(early), "pass", "2", "50", "drop"]
    assert lines[3].split() == ["1", str(late), "pass", "1", "60", "pass,", "dispatcher_return"]
    assert either("chain", "none0") == ""


def test_tc_and_tcx(either) -> None:
    place = ("-d", "ingress", "-i", either.iface, "-p")
    load = ("load", "file", "-p", either.compiled("examples/tc_counter"))
    tc = either.json(*load, "tc", *place, 10)["kernel"]["id"]
    tcx = either.json(*load, "tcx", *place, 20)["kernel"]["id"]
    chains = {chain["type"]: chain for chain in either.json("chain", either.iface)}
    assert members(chains["tc"]) == [(tc, 1, 10)]
    assert members(chains["tcx"])[0] == (tcx, 2, 20)
    assert chains["tcx"]["members"][1]["name"] == "bpfman_tc"
    assert {chain["direction"] for chain in chains.values()} == {"ingress"}


def test_programs_of_others(either) -> None:
    near, far = either.veth.near, either.veth.far
    with (
        constant(XDP, 2) as xdp,
        attach_xdp(xdp, far, NATIVE),
        constant(TC, -1) as tcx,
        attach_tcx(tcx, near),
    ):
        (chain,) = either.json("chain")
        assert (chain["type"], chain["iface"]) == ("tcx", near.name)
        assert members(chain) == [(programs.info(tcx).id, None, None)]
        (chain,) = either.json("chain", "--netns", far.namespace.path)
        assert (chain["type"], chain["iface"], chain["mode"]) == ("xdp", far.name, "native")
        assert members(chain) == [(programs.info(xdp).id, None, None)]
        assert chain["members"][0]["name"] == "constant"


def test_ours_in_another_namespace(either) -> None:
    far = either.veth.far
    netns = str(far.namespace.path)
    load = ("load", "file", "-p", either.compiled("examples/xdp_pass"))
    place = ("xdp", "-i", far.name, "-p", 1, "--netns", netns)
    program = either.json(*load, *place)["kernel"]["id"]
    for words in ((), ("--netns", netns)):
        (chain,) = either.json("chain", *words)
        assert (chain["iface"], chain["netns"]) == (far.name, netns)
        assert members(chain) == [(program, 1, 1)]


def test_a_namespace_that_is_not_there(either) -> None:
    assert "/run/netns/none" in either.fails("chain", "--netns", "/run/netns/none")
