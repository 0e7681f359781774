"""A chain on a real interface: changed, read back, abused."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from dataclasses import replace
from itertools import permutations

import pytest

from bpfman_core.dispatch.chain import Chain
from bpfman_core.dispatch.members import CAPACITY, Member
from bpfman_core.errors import Conflict, Full, KernelError
from bpfman_core.kernel import links, pins, programs
from bpfman_core.kernel.programs import XDP_HAS_FRAGS, ProgramKind, RawProgram
from bpfman_core.testing.hooks import NATIVE, XDP, attach_tcx, attach_xdp
from bpfman_core.testing.hooks import TC as TC_HOOK
from bpfman_core.testing.network import veth_pair
from bpfman_core.testing.programs import Scripted, constant
from bpfman_core.testing.waiting import wait_until

pytestmark = pytest.mark.kernel

ABORTED, DROP, PASS, TX, REDIRECT = range(5)
native_only = pytest.mark.parametrize("mode", [NATIVE], ids=["native"], indirect=True)


# ---- one change after another


def test_members_run_in_order_of_priority_and_attaching(bench) -> None:
    bench.add(bench.member(0), bench.member(1, 10), bench.member(2), bench.member(3, 90))
    assert bench.links() == [2, 1, 3, 4]
    bench.passes([PASS] * 4, [10, 10, 10, 10])
    bench.stops([DROP, PASS, PASS, PASS], [10, 10, 0, 0])


def test_removing_members_leaves_the_others(bench) -> None:
    bench.add(*(bench.member(number) for number in range(3)))
    bench.chain.remove(2)
    assert bench.links() == [1, 3]
    bench.passes([PASS] * 3, [10, 0, 10])
    bench.chain.remove(1)
    bench.passes([PASS] * 3, [0, 0, 10])


def test_the_last_member_takes_the_dispatcher_and_all_pins_along(bench) -> None:
    bench.add(bench.member(0))
    link = links.info(pins.open_pin(bench.directory / "link")).id
    bench.chain.remove(1)
    assert not links.exists(link)
    assert not bench.directory.exists()
    assert bench.chain.read() is None
    bench.passes([DROP], [0])


def test_removing_twice_and_removing_a_stranger_is_no_error(bench) -> None:
    bench.chain.remove(1)
    bench.add(bench.member(0))
    bench.chain.remove(77)
    assert bench.links() == [1]
    bench.chain.remove(1)
    bench.chain.remove(1)


def test_adding_twice_is_adding_once(bench) -> None:
    bench.add(bench.member(0), bench.member(1), bench.member(0))
    assert bench.links() == [1, 2]


def test_changing_priority_moves_a_member(bench) -> None:
    bench.add(bench.member(0), bench.member(1))
    bench.chain.change(2, 5, frozenset({PASS}))
    assert bench.links() == [2, 1]
    bench.stops([PASS, DROP], [0, 10])


def test_changing_the_proceed_on_set_changes_who_runs(bench) -> None:
    bench.add(bench.member(0), bench.member(1))
    bench.stops([DROP, PASS], [10, 0])
    bench.chain.change(1, 50, frozenset({PASS, DROP}))
    bench.passes([DROP, PASS], [10, 10])


def test_changing_a_link_that_is_not_there_is_a_conflict(bench) -> None:
    with pytest.raises(Conflict, match="link 9 is no longer on its hook"):
        bench.chain.change(9, 1, frozenset())
    bench.add(bench.member(0))
    with pytest.raises(Conflict, match="link 9 is no longer on its hook"):
        bench.chain.change(9, 1, frozenset())


def test_the_first_attach_gives_the_facts_that_stay(bench) -> None:
    bench.add(bench.member(0))
    bench.chain.add(bench.member(1), bench.attach, {"other": True})
    assert bench.chain.read().facts == {"interface": "veth"}


def test_two_pins_hold_a_chain_whatever_its_history(bench) -> None:
    for number in range(4):
        bench.add(bench.member(number))
        assert bench.pins() == ["link", f"progs_{number + 1}"]


@native_only
def test_32_members_run_and_a_33rd_is_refused(bench) -> None:
    with Scripted(XDP, CAPACITY) as many:
        members = [
            replace(bench.member(0), link=number, program=program)
            for number, program in enumerate(many.ids)
        ]
        bench.add(*members)
        many.script([PASS] * CAPACITY)
        bench.veth.far.send(10)
        wait_until(lambda: many.counts() == [10] * CAPACITY, "all 32 members ran 10 times")
        with pytest.raises(Full):
            bench.add(replace(bench.member(0), link=99))
        assert len(bench.links()) == CAPACITY


# ---- another process


def test_another_process_reads_the_same_chain(bench) -> None:
    bench.add(bench.member(0), bench.member(1, 10, frozenset({DROP, TX})))
    code = (
        "import json, pathlib, sys\n"
        "from bpfman_core.dispatch.chain import Chain\n"
        "from bpfman_core.testing.hooks import XDP\n"
        "state = Chain(XDP, pathlib.Path(sys.argv[1])).read()\n"
        "print(json.dumps([[m.link, m.program, m.name, m.priority, sorted(m.proceed_on)]\n"
        "                  for m in state.members]))\n"
    )
    command = [sys.executable, "-c", code, str(bench.directory)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    first, second = bench.scripted.ids[:2]
    assert json.loads(said) == [
        [2, second, "scripted1", 10, [DROP, TX]],
        [1, first, "scripted0", 50, [PASS]],
    ]


def test_a_chain_needs_nobody_to_hold_its_members(bench) -> None:
    bench.add(bench.member(0))
    with constant(XDP, DROP) as program:
        bench.add(replace(bench.member(1), program=programs.info(program).id))
    bench.stops([PASS], [10])
    bench.chain.remove(2)
    bench.passes([PASS], [10])


# ---- the interface, and who else is there


def test_a_deleted_interface_ends_the_chain(bench) -> None:
    bench.add(bench.member(0), bench.member(1))
    bench.veth.near.delete()
    assert links.info(pins.open_pin(bench.directory / "link")).ifindex == 0
    assert bench.chain.read() is None
    bench.chain.collect()
    assert not bench.directory.exists()


def test_a_new_interface_of_that_name_gets_a_new_chain(bench) -> None:
    bench.add(bench.member(0), bench.member(1))
    bench.veth.near.delete()
    with veth_pair(bench.veth.near.namespace, bench.veth.far.namespace) as fresh:
        again = replace(bench, veth=fresh)
        again.add(bench.member(2))
        assert again.links() == [3]
        again.passes([DROP, DROP, PASS], [0, 0, 10])
        again.chain.remove(3)


def test_removing_from_a_deleted_interface_is_no_error(bench) -> None:
    bench.add(bench.member(0))
    bench.veth.near.delete()
    bench.chain.remove(1)
    assert not bench.directory.exists()


def test_somebody_elses_program_stays_and_nothing_of_ours_does(bench, bpfman_paths) -> None:
    pinned = bpfman_paths.bpffs / "foreign"
    with constant(XDP, DROP) as foreign:
        pins.pin(foreign, pinned)
    near = bench.veth.near
    kind = "xdpdrv" if bench.mode == NATIVE else "xdpgeneric"
    near.namespace.ip("link", "set", "dev", near.name, kind, "pinned", str(pinned))
    with pytest.raises(KernelError) as refused:
        bench.add(bench.member(0))
    assert refused.value.errno == errno.EBUSY
    assert not bench.directory.exists()
    bench.stops([PASS], [0])
    near.namespace.ip("link", "set", "dev", near.name, kind, "off")


def test_others_cannot_take_the_hook(bench) -> None:
    bench.add(bench.member(0))
    near = bench.veth.near
    kind = "xdpdrv" if bench.mode == NATIVE else "xdpgeneric"
    with pytest.raises(RuntimeError, match=r"(?i)busy|active BPF"):
        near.namespace.ip("link", "set", "dev", near.name, kind, "off")
    with constant(XDP, PASS) as foreign, pytest.raises(KernelError):
        bench.attach(foreign)
    bench.passes([PASS], [10])


def test_a_link_that_runs_another_program_gets_no_members(bench) -> None:
    bench.add(bench.member(0))
    with pins.open_pin(bench.directory / "link") as link, constant(XDP, PASS) as foreign:
        dispatcher = programs.open_by_id(links.info(link).program_id)
        links.update(link, foreign, dispatcher)
    with pytest.raises(Conflict, match="another process replaced the dispatcher"):
        bench.add(bench.member(1))
    bench.chain.remove(1)
    assert not bench.directory.exists()


# ---- pins that others remove


def test_removing_pins_in_any_order_never_deafens_the_interface(bench) -> None:
    """`link` first detaches; `progs` first empties the table, and an empty first slot is open."""
    for order in permutations(["link", "progs_3"]):
        bench.add(*(bench.member(number) for number in range(3)))
        for name in order:
            (bench.directory / name).unlink()
            bench.scripted.script([PASS] * 3)
            with bench.veth.near.listen() as behind:
                bench.veth.far.send(10)
                behind.wait_for(10)
        bench.directory.rmdir()
        wait_until(lambda: not xdp_program(bench), "the dispatcher is gone")


def test_a_chain_whose_table_was_removed_can_be_made_anew(bench) -> None:
    bench.add(bench.member(0), bench.member(1))
    (bench.directory / "progs_2").unlink()
    bench.add(bench.member(2))
    assert bench.links() == [1, 2, 3]
    bench.passes([PASS] * 3, [10, 10, 10])


def test_a_leftover_table_is_collected(bench) -> None:
    bench.add(bench.member(0), bench.member(1))
    table = bench.directory / "progs_2"
    with pins.open_pin(bench.directory / "link") as link:
        dispatcher = links.info(link).program_id
    other = Chain(XDP, bench.directory.parent / "other")
    with veth_pair(bench.veth.near.namespace, bench.veth.far.namespace) as second:
        other.add(bench.member(2), lambda built: attach_xdp(built, second.near), {})
        with pins.open_pin(bench.directory.parent / "other" / "progs_1") as stray:
            pins.pin(stray, bench.directory / "progs_3")
        other.remove(3)
    bench.chain.collect()
    assert bench.pins() == ["link", "progs_2"]
    with pins.open_pin(bench.directory / "link") as link:
        assert links.info(link).program_id == dispatcher
    assert table.exists()
    bench.passes([PASS] * 2, [10, 10])


def xdp_program(bench) -> bool:
    near = bench.veth.near
    return "prog/xdp" in near.namespace.ip("link", "show", near.name)


# ---- what members may do


@pytest.mark.parametrize("action", [ABORTED, DROP, PASS, TX])
def test_every_action_of_the_last_member_is_carried_out(bench, action: int) -> None:
    bench.add(bench.member(0), bench.member(1))
    bench.scripted.script([PASS, action])
    with (
        constant(XDP, PASS) as receiver,
        attach_xdp(receiver, bench.veth.far),  # a native XDP_TX needs one on the other end
        bench.veth.near.listen() as passed,
        bench.veth.far.listen() as returned,
    ):
        bench.veth.far.send(10)
        if action == PASS:
            passed.wait_for(10)
        elif action == TX:
            returned.wait_for(10)
        wait_until(lambda: bench.scripted.counts()[:2] == [10, 10], "both members ran")
        assert len(passed.frames()) == (10 if action == PASS else 0)
        assert len(returned.frames()) == (10 if action == TX else 0)


def test_a_member_without_the_gpl_redirects(bench, load_object) -> None:
    loaded = load_object("tests/chain_redirect")
    assert not programs.info(loaded.programs["redirect"]).gpl_compatible
    redirecting = replace(bench.member(1), program=loaded.id("redirect"))
    with (
        veth_pair(bench.veth.near.namespace, bench.veth.far.namespace) as out,
        constant(XDP, PASS) as receiver,
        attach_xdp(receiver, out.far),
        out.far.listen() as redirected,
        bench.veth.near.listen() as passed,
    ):
        loaded.write("=Q", out.near.index)
        bench.add(bench.member(0), redirecting)
        bench.scripted.script([PASS])
        bench.veth.far.send(10)
        redirected.wait_for(10)
        assert passed.frames() == []


@pytest.mark.parametrize(
    ("first", "second", "length"),
    [("rewrite", "read_payload", 60), ("write_meta", "read_meta", 8), ("push", "pop", 68)],
)
def test_a_member_sees_what_the_one_before_it_did(
    bench, load_object, first: str, second: str, length: int
) -> None:
    loaded = load_object("tests/chain_packets")
    bench.add(
        *(
            replace(bench.member(number), program=loaded.id(name))
            for number, name in enumerate([first, second])
        )
    )
    bench.passes([], [])
    assert loaded.read("=QQ") == (length, int.from_bytes(b"mark", "little"))


def test_a_shrunk_packet_stays_so_for_those_behind_and_the_host(bench, load_object) -> None:
    loaded = load_object("tests/chain_packets")
    bench.add(
        *(
            replace(bench.member(number), program=loaded.id(name))
            for number, name in enumerate(["shrink", "read_payload"])
        )
    )
    bench.scripted.script([])
    with bench.veth.near.listen() as behind:
        bench.veth.far.send(1)
        assert len(behind.wait_for(1)[0]) == 40
    assert loaded.read("=QQ")[0] == 40


@pytest.mark.parametrize("calls", [0, 1, 30, 31, 32, 33])
@native_only
def test_tail_calls_of_a_member_never_let_a_packet_by_those_behind_it(
    bench, load_object, calls: int
) -> None:
    """The kernel shares 33 tail calls among all (Linux 6.12), or gives each slot its own (6.1)."""
    loaded = load_object("tests/chain_tail_calls")
    greedy = replace(bench.member(0), program=loaded.id("greedy"), tail_calls=True)
    bench.add(replace(greedy, tail_calls_allowed=True), bench.member(1), bench.member(2))
    loaded.write("=QQ", calls, 0)
    bench.scripted.script([0, PASS, PASS])
    with bench.veth.near.listen() as behind:
        bench.veth.far.send(1)
        wait_until(lambda: loaded.read("=QQ")[1] == calls, "the member made its tail calls")
        wait_until(lambda: behind.frames() or not all(bench.scripted.counts()[1:3]), "a verdict")
        ran = bench.scripted.counts()[1:3]
        assert ran in ([1, 1], [1, 0], [0, 0])
        assert len(behind.frames()) == (1 if ran == [1, 1] else 0)


def test_frags_capable_programs_share_a_hook_at_a_jumbo_mtu(bench) -> None:
    near = bench.veth.near
    for port in (near, bench.veth.far):
        port.namespace.ip("link", "set", port.name, "mtu", "9000")
    with Scripted(XDP, 2, flags=XDP_HAS_FRAGS) as capable:
        bench.add(
            *(
                replace(bench.member(number), program=program, frags=True)
                for number, program in enumerate(capable.ids)
            )
        )
        capable.script([PASS, PASS])
        with near.listen() as behind:
            bench.veth.far.send(5, bytes(8000))
            behind.wait_for(5)
        assert capable.counts() == [5, 5]


@native_only
def test_the_driver_refuses_others_at_a_jumbo_mtu(bench) -> None:
    for port in (bench.veth.near, bench.veth.far):
        port.namespace.ip("link", "set", port.name, "mtu", "9000")
    with pytest.raises(KernelError) as refused:
        bench.add(bench.member(0))
    assert refused.value.errno == errno.ERANGE
    assert not bench.directory.exists()


def test_programs_with_and_without_frags_are_kept_apart(bench) -> None:
    bench.add(bench.member(0))
    with constant(XDP, PASS, flags=XDP_HAS_FRAGS) as capable:
        other = replace(bench.member(1), program=programs.info(capable).id, frags=True)
        with pytest.raises(Conflict, match="--frags"):
            bench.add(other)
        with pytest.raises(Conflict, match="cannot share a hook"):
            bench.add(replace(other, frags=False))
    assert bench.pins() == ["link", "progs_1"]


@native_only
def test_a_program_of_another_attach_type_is_refused_by_name(bench) -> None:
    bench.add(bench.member(0))
    code = b"\xb4\0\0\0\2\0\0\0" + b"\x95" + bytes(7)
    with programs.load(RawProgram(code, ProgramKind.XDP, 0, "odd")) as odd:
        member = Member(2, programs.info(odd).id, "odd", 50, frozenset({PASS}))
        with pytest.raises(Conflict, match=r"\(odd\) cannot share a hook"):
            bench.add(member)
    assert bench.links() == [1]


@native_only
def test_a_program_that_is_gone_is_refused_by_name(bench) -> None:
    with constant(XDP, PASS) as program:
        ident = programs.info(program).id
    wait_until(lambda: not programs.exists(ident), "the program is gone")
    with pytest.raises(Conflict, match=r"\(gone\) is no longer in the kernel"):
        bench.add(Member(1, ident, "gone", 50, frozenset({PASS})))
    assert not bench.directory.exists()


# ---- another hook


def test_a_chain_on_tcx(veth, bpfman_paths) -> None:
    ok, shot, pipe = 0, 2, 3
    chain = Chain(TC_HOOK, bpfman_paths.bpffs / "chain")
    with Scripted(TC_HOOK, 3) as scripted, veth.near.listen() as ears:
        for number, program in enumerate(scripted.ids):
            member = Member(number, program, "member", 50 - number, frozenset({pipe}))
            chain.add(member, lambda dispatcher: attach_tcx(dispatcher, veth.near), {})
        scripted.script([pipe, pipe, pipe])
        veth.far.send(10)
        wait_until(lambda: scripted.counts() == [10, 10, 10], "all members ran")
        scripted.script([pipe, shot, pipe])
        veth.far.send(10)
        wait_until(lambda: scripted.counts() == [0, 10, 10], "the second one dropped")
        chain.change(2, 99, frozenset({pipe}))
        scripted.script([ok, pipe, pipe])
        veth.far.send(10)
        wait_until(lambda: scripted.counts() == [10, 10, 0], "the first one decided")
        for number in range(3):
            chain.remove(number)
        assert not list(bpfman_paths.bpffs.glob("chain*"))
        assert ears.frames()
