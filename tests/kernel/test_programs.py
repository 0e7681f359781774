"""Programs are loaded, attached, listed, changed and unloaded, and the kernel shows it."""

from __future__ import annotations

import os
import struct

import pytest

from bpfman_core.api import (
    AttachPart,
    FileSource,
    ImageSource,
    ListRequest,
    LoadRequest,
    ProgramRequest,
    UpdateRequest,
)
from bpfman_core.errors import InvalidRequest, NotFound
from bpfman_core.kernel import maps, pins, programs
from bpfman_core.model import PullPolicy
from bpfman_core.testing.agreement import check_agreement, pinned
from bpfman_core.testing.waiting import wait_until

pytestmark = pytest.mark.kernel


def value(bpfman, program: int, name: str, layout: str, key: int = 0) -> int:
    with pins.open_pin(bpfman.paths.map_pin(program, name)) as held:
        return struct.unpack(layout, maps.lookup(held, struct.pack("=I", key)))[0]


def test_members_run_in_order_of_priority(bpfman) -> None:
    loaded = {
        priority: bpfman.load(None, bpfman.place(priority)).kernel.id
        for priority in (100, 50, 200, 150)
    }
    assert bpfman.order() == [loaded[50], loaded[100], loaded[150], loaded[200]]
    bpfman.delivered(10)
    assert [bpfman.count(program) for program in loaded.values()] == [10] * 4

    bpfman.handler.unload(loaded[100])
    assert bpfman.order() == [loaded[50], loaded[150], loaded[200]]
    wait_until(lambda: not programs.exists(loaded[100]), "the kernel frees it")
    assert not bpfman.paths.maps(loaded[100]).exists()
    bpfman.delivered(10)
    assert [bpfman.count(loaded[each]) for each in (50, 150, 200)] == [20] * 3
    check_agreement(bpfman.paths)


def test_equal_priorities_run_in_the_order_of_attaching(bpfman) -> None:
    loaded = [bpfman.load(None, bpfman.place(50)).kernel.id for _ in range(3)]
    assert bpfman.order() == loaded


def test_update_moves_a_running_member(bpfman) -> None:
    first = bpfman.load(None, bpfman.place(50))
    second = bpfman.load(None, bpfman.place(60))
    link = bpfman.handler.update(UpdateRequest(second.link_ids[0], {"priority": 40}))
    assert (link.position, link.options["priority"]) == (0, 40)
    assert bpfman.order() == [second.kernel.id, first.kernel.id]

    bpfman.handler.update(UpdateRequest(link.id, {"proceed_on": ["drop"]}))
    bpfman.delivered(10)
    assert [bpfman.count(one.kernel.id) for one in (first, second)] == [0, 10]


def test_only_priority_and_proceed_on_can_be_changed(bpfman) -> None:
    link = bpfman.load(None, bpfman.place()).links[0]
    with pytest.raises(InvalidRequest, match="--priority and --proceed-on"):
        bpfman.handler.update(UpdateRequest(link.id, {"mode": "generic"}))
    assert bpfman.handler.get_link(link.id) == link


def test_one_program_on_two_hooks(bpfman) -> None:
    loaded = bpfman.load(None)
    assert loaded.links == ()
    far = bpfman.veth.far
    other = {"iface": far.name, "netns": str(far.namespace.path), "priority": 9}
    here = bpfman.handler.attach(loaded.kernel.id, bpfman.place())
    there = bpfman.handler.attach(loaded.kernel.id, AttachPart("xdp", other))
    bpfman.delivered(10)
    bpfman.handler.detach(here.id)
    bpfman.delivered(10)
    assert bpfman.count(loaded.kernel.id) == 10
    assert bpfman.handler.get(loaded.kernel.id).link_ids == (there.id,)


def test_only_the_named_program_of_an_object_is_loaded(bpfman) -> None:
    loaded = bpfman.load("second", of="tests/several")
    assert [view.kernel.name for view in bpfman.handler.list(ListRequest())] == ["second"]
    assert loaded.spec.name == "second"


def test_a_section_name_finds_its_program(bpfman) -> None:
    assert bpfman.load("pass", of="tests/several").spec.name == "first"


def test_several_programs_of_an_object_share_its_maps(bpfman) -> None:
    path = bpfman.compiled("tests/several")
    wanted = (ProgramRequest("first", "xdp"), ProgramRequest("second", "xdp"))
    source = FileSource(str(path), path.read_bytes())
    request = LoadRequest(source, wanted, attach=bpfman.place())
    first, second = bpfman.handler.load(request)
    assert first.map_pin_path == second.map_pin_path
    assert bpfman.handler.get(first.kernel.id).map_used_by == (first.kernel.id, second.kernel.id)
    bpfman.delivered(7)
    assert value(bpfman, first.kernel.id, "counts", "=Q", 0) == 7
    assert value(bpfman, first.kernel.id, "counts", "=Q", 1) == 7
    assert value(bpfman, first.kernel.id, ".bss", "=16xQ") == 14

    bpfman.handler.unload(first.kernel.id)
    bpfman.delivered(3)
    assert value(bpfman, first.kernel.id, "counts", "=Q", 1) == 10
    bpfman.handler.unload(second.kernel.id)
    assert pinned(bpfman.paths) == []


def test_maps_are_shared_with_an_owner_whatever_their_pinning(bpfman) -> None:
    owner = bpfman.load("first", bpfman.place(1), of="tests/several").kernel.id
    user = bpfman.load("second", bpfman.place(2), of="tests/several", map_owner_id=owner)
    assert user.map_used_by == (owner, user.kernel.id)
    assert user.spec.map_owner_id == owner
    bpfman.delivered(5)
    assert value(bpfman, owner, "counts", "=Q", 0) == value(bpfman, owner, "counts", "=Q", 1) == 5
    bpfman.handler.unload(owner)
    bpfman.delivered(5)
    assert value(bpfman, owner, "counts", "=Q", 1) == 10


def test_globals_are_set_before_the_program_runs(bpfman) -> None:
    values = {"verdict": b"\1\0\0\0", "greeting": b"hello\0"}
    loaded = bpfman.load("first", bpfman.place(), of="tests/several", globals=values)
    assert loaded.spec.globals == values
    with bpfman.veth.near.listen() as behind:
        bpfman.veth.far.send(5)
        wait_until(
            lambda: value(bpfman, loaded.kernel.id, "counts", "=Q") == 5, "5 packets dropped"
        )
        assert behind.frames() == []
    assert value(bpfman, loaded.kernel.id, ".bss", "=16s8x") == b"hello".ljust(16, b"\0")


def test_a_tracepoint_counts_each_call(bpfman) -> None:
    part = AttachPart("tracepoint", {"tracepoint": "syscalls/sys_enter_kill"})
    name = "tracepoint_counter"
    loaded = bpfman.load(name, part, of=f"examples/{name}", word="tracepoint")
    assert loaded.links[0].rows == (("Tracepoint", "syscalls/sys_enter_kill"),)

    def hits() -> int:
        with pins.open_pin(bpfman.paths.map_pin(loaded.kernel.id, "hits")) as held:
            return sum(count for (count,) in struct.iter_unpack("=Q", maps.lookup(held, bytes(4))))

    before = hits()
    for _ in range(10):
        os.kill(os.getpid(), 0)
    assert hits() >= before + 10
    bpfman.handler.detach(loaded.link_ids[0])
    after = hits()
    os.kill(os.getpid(), 0)
    assert hits() == after


def test_an_image_that_ships_with_bpfman(bpfman) -> None:
    source = ImageSource("quay.io/bpfman-bytecode/xdp_pass:latest", PullPolicy.NEVER)
    request = LoadRequest(source, (ProgramRequest(None, "xdp"),), attach=bpfman.place())
    (loaded,) = bpfman.handler.load(request)
    origin = loaded.spec.origin
    assert loaded.spec.name == "pass"
    assert origin.digest.startswith("sha256:")
    assert origin.source.startswith("seed:")


def test_lists_choose_by_type_metadata_and_application(bpfman) -> None:
    plain = bpfman.load(None).kernel.id
    tagged = bpfman.load(None, metadata={"team": "edge"}, application="wall").kernel.id

    def ids(**conditions) -> list[int]:
        return [view.kernel.id for view in bpfman.handler.list(ListRequest(**conditions))]

    assert ids() == [plain, tagged]
    assert ids(types=("xdp",)) == [plain, tagged]
    assert ids(types=("tracepoint",)) == []
    assert ids(kind=6) == [plain, tagged]
    assert ids(metadata={"team": "edge"}) == [tagged]
    assert ids(metadata={"team": "core"}) == []
    assert ids(application="wall") == [tagged]
    assert set(ids()) <= set(ids(all=True))


def test_programs_of_others_are_shown_and_never_unloaded(bpfman, load_object) -> None:
    stranger = load_object("tests/chain_packets").id("rewrite")
    view = bpfman.handler.get(stranger)
    assert (view.spec, view.type) == (None, "xdp")
    assert stranger not in [view.kernel.id for view in bpfman.handler.list(ListRequest())]
    assert stranger in [view.kernel.id for view in bpfman.handler.list(ListRequest(all=True))]
    with pytest.raises(NotFound, match="manages no program"):
        bpfman.handler.unload(stranger)
    assert programs.exists(stranger)


def test_both_xdp_modes(bpfman) -> None:
    loaded = bpfman.load(None, bpfman.place(mode="generic"))
    assert ("XDP Mode", "generic") in loaded.links[0].rows
    bpfman.delivered()
    assert bpfman.count(loaded.kernel.id) == 10
    other = bpfman.load(None, bpfman.place())
    assert ("XDP Mode", "generic") in other.links[0].rows


def test_the_configuration_chooses_the_mode_of_an_interface(bpfman) -> None:
    name = bpfman.veth.near.name
    bpfman.paths.config.write_text(f'[interfaces.{name}]\nxdp_mode = "skb"\n')
    fresh = type(bpfman)(bpfman.paths, bpfman.veth, bpfman.compiled)
    assert ("XDP Mode", "generic") in fresh.load(None, fresh.place()).links[0].rows


def test_an_interface_that_is_gone_takes_its_links_along(bpfman) -> None:
    loaded = bpfman.load(None, bpfman.place())
    bpfman.veth.near.delete()
    link = bpfman.handler.get(loaded.kernel.id).links[0]
    assert not link.attached
    assert "gone" in link.detail
    bpfman.handler.prepare()
    assert bpfman.handler.get(loaded.kernel.id).link_ids == (link.id,)
    bpfman.handler.unload(loaded.kernel.id)


def test_generic_mode_where_the_driver_has_no_other(bpfman) -> None:
    part = bpfman.place()
    loaded = bpfman.load(None, AttachPart("xdp", {**part.options, "iface": "lo"}))
    assert ("XDP Mode", "generic") in loaded.links[0].rows


def test_programs_of_several_types_out_of_one_object(bpfman) -> None:
    path = bpfman.compiled("tests/mixed")
    source = FileSource(str(path), path.read_bytes())
    wanted = (
        *(ProgramRequest("on_xdp", "xdp"), ProgramRequest("on_tc", "tc")),
        ProgramRequest("on_tracepoint", "tracepoint"),
    )
    loaded = bpfman.handler.load(LoadRequest(source, wanted))
    assert [view.type for view in loaded] == ["xdp", "tc", "tracepoint"]
    assert len({view.map_pin_path for view in loaded}) == 1
    xdp, tc, tracepoint = (view.kernel.id for view in loaded)

    ingress = {**bpfman.place().options, "direction": "ingress"}
    bpfman.handler.attach(xdp, bpfman.place())
    bpfman.handler.attach(tc, AttachPart("tc", ingress))
    name = {"tracepoint": "syscalls/sys_enter_getpriority"}
    bpfman.handler.attach(tracepoint, AttachPart("tracepoint", name))
    bpfman.delivered(5)
    for _ in range(3):
        os.getpriority(os.PRIO_PROCESS, 0)
    with pins.open_pin(bpfman.paths.map_pin(xdp, ".bss")) as held:
        assert struct.unpack("=QQQ", maps.lookup(held, bytes(4))) == (5, 5, 3)

    broken = (*wanted, ProgramRequest("on_xdp", "tc"))
    with pytest.raises(InvalidRequest):
        bpfman.handler.load(LoadRequest(source, broken))
    assert len(bpfman.handler.list(ListRequest())) == 3
