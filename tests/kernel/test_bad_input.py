"""What cannot work gives one clear error, and leaves kernel, pins and store as they were."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bpfman_core.api import AttachPart, FileSource, ImageSource, UpdateRequest
from bpfman_core.errors import (
    BpfmanError,
    Conflict,
    Full,
    InvalidObject,
    InvalidRequest,
    NotFound,
    VerifierRejected,
)
from bpfman_core.kernel import interfaces, programs
from bpfman_core.model import PullPolicy
from bpfman_core.testing.agreement import check_agreement, pinned
from bpfman_core.testing.hooks import NATIVE, XDP, attach_xdp
from bpfman_core.testing.programs import constant

pytestmark = pytest.mark.kernel


@contextmanager
def refused(bpfman, kind: type[BpfmanError], *words: str) -> Iterator[None]:
    """The block raises exactly `kind`, its one line says `words`, and nothing changes."""
    before = pinned(bpfman.paths), bpfman.handler.links()
    with pytest.raises(BpfmanError) as caught:
        yield
    assert type(caught.value) is kind, caught.value
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line
    assert (pinned(bpfman.paths), bpfman.handler.links()) == before
    check_agreement(bpfman.paths)


@pytest.fixture(autouse=True)
def running(bpfman) -> Iterator[int]:
    """A member that was there before, and still runs after all that went wrong."""
    loaded = bpfman.load(None, bpfman.place(50)).kernel.id
    yield loaded
    links = bpfman.handler.get(loaded).links
    if links[0].attached:
        before = bpfman.count(loaded)
        bpfman.delivered(5)
        assert bpfman.count(loaded) == before + 5 * len(links)


def with_bytes(bpfman, data: bytes):
    request = bpfman.request(None, bpfman.place())
    return replace(request, source=FileSource("/objects/mine.o", data))


def test_not_an_elf_object(bpfman) -> None:
    with refused(bpfman, InvalidObject, "no ELF object"):
        bpfman.handler.load(with_bytes(bpfman, b"#!/bin/sh\n"))


def test_an_empty_file(bpfman) -> None:
    with refused(bpfman, InvalidObject, "no ELF object"):
        bpfman.handler.load(with_bytes(bpfman, b""))


def test_a_truncated_object(bpfman) -> None:
    data = bpfman.compiled("examples/xdp_counter").read_bytes()
    for size in (10, 63, 64, len(data) // 2, len(data) - 1):
        with refused(bpfman, InvalidObject):
            bpfman.handler.load(with_bytes(bpfman, data[:size]))


def test_an_object_for_another_machine(bpfman) -> None:
    with open("/proc/self/exe", "rb") as program, refused(bpfman, InvalidObject, "not for BPF"):
        bpfman.handler.load(with_bytes(bpfman, program.read(1 << 20)))


def test_a_file_that_only_the_service_could_read(bpfman) -> None:
    request = bpfman.request(None)
    with refused(bpfman, InvalidRequest, "/no/such/file.o"):
        bpfman.handler.load(replace(request, source=FileSource("/no/such/file.o")))


def test_no_such_function(bpfman) -> None:
    with refused(bpfman, InvalidRequest, "'frist'", "first", "second", "did you mean"):
        bpfman.load("frist", of="tests/several")


def test_several_functions_and_no_name(bpfman) -> None:
    with refused(bpfman, InvalidRequest, "several programs", "first", "second"):
        bpfman.load(None, of="tests/several")


def test_an_unknown_type_word(bpfman) -> None:
    with refused(bpfman, InvalidRequest, "unknown program type 'xpd'", "did you mean xdp"):
        bpfman.load(None, word="xpd")


def test_a_type_that_contradicts_the_section(bpfman) -> None:
    with refused(bpfman, InvalidRequest, "'kprobe/do_nanosleep'", "kprobe", "as xdp"):
        bpfman.load("probe", bpfman.place(), of="tests/several")
    with refused(bpfman, InvalidRequest, "'xdp'", "as tracepoint", "load it as xdp"):
        bpfman.load("second", of="tests/several", word="tracepoint")


def test_a_program_attached_as_another_type(bpfman, running: int) -> None:
    part = AttachPart("tracepoint", {"tracepoint": "syscalls/sys_enter_kill"})
    with refused(bpfman, InvalidRequest, "is of type xdp", "as tracepoint"):
        bpfman.handler.attach(running, part)


def test_no_such_interface(bpfman) -> None:
    with refused(bpfman, InvalidRequest, "no interface 'veth-none'"):
        bpfman.load(None, AttachPart("xdp", {"iface": "veth-none", "priority": 1}))


def test_no_such_namespace(bpfman) -> None:
    options = {"iface": "lo", "priority": 1, "netns": "/run/netns/none"}
    with refused(bpfman, InvalidRequest, "/run/netns/none"):
        bpfman.load(None, AttachPart("xdp", options))


def test_a_priority_that_is_no_number(bpfman) -> None:
    for priority in ("high", True, -1, 1 << 40):
        with refused(bpfman, InvalidRequest, "--priority"):
            bpfman.load(None, bpfman.place(priority))


def test_an_unknown_verdict(bpfman) -> None:
    with refused(bpfman, InvalidRequest, "'pas'", "did you mean pass"):
        bpfman.load(None, bpfman.place(proceed_on=["pas"]))


def test_unknown_and_missing_options(bpfman) -> None:
    with refused(bpfman, InvalidRequest, "no option 'ifcae'", "did you mean iface"):
        bpfman.load(None, AttachPart("xdp", {"ifcae": "lo", "priority": 1}))
    with refused(bpfman, InvalidRequest, "--priority"):
        bpfman.load(None, AttachPart("xdp", {"iface": "lo"}))


def test_an_interface_that_vanishes_midway(bpfman, monkeypatch) -> None:
    index = interfaces.index

    def and_gone(name: str) -> int:
        found = index(name)
        if "add" in vanishing:
            bpfman.veth.near.delete()
            vanishing.clear()
        vanishing.append("add")
        return found

    vanishing: list[str] = []
    monkeypatch.setattr(interfaces, "index", and_gone)
    with pytest.raises(Conflict, match="gone away"):
        bpfman.load(None, bpfman.place())
    assert len(bpfman.handler.links()) == 1


def test_somebody_elses_program_is_named_and_stays(bpfman) -> None:
    far = bpfman.veth.far
    with constant(XDP, 2) as stranger, attach_xdp(stranger, far, NATIVE):
        number = programs.info(stranger).id
        options = {"iface": far.name, "netns": str(far.namespace.path), "priority": 1}
        with refused(bpfman, Conflict, f"XDP program {number} (constant)", far.name):
            bpfman.load(None, AttachPart("xdp", options))
        with far.namespace.inside():
            assert interfaces.xdp_occupant(far.index).program_id == number


def test_a_33rd_member(bpfman, running: int) -> None:
    for number in range(31):
        bpfman.handler.attach(running, bpfman.place(60 + number))
    with refused(bpfman, Full, "32 programs"):
        bpfman.load(None, bpfman.place(10))


def test_a_member_with_tail_calls_of_its_own(bpfman) -> None:
    of = "tests/chain_tail_calls"
    with refused(bpfman, Conflict, "(greedy)", "tail calls", "--allow-tail-calls"):
        bpfman.load("greedy", bpfman.place(10), of=of)
    last = bpfman.load("greedy", bpfman.place(90), of=of)
    with refused(bpfman, Conflict, "(greedy)"):
        bpfman.load(None, bpfman.place(95))
    with refused(bpfman, Conflict, "(greedy)"):
        bpfman.handler.update(UpdateRequest(last.link_ids[0], {"priority": 10}))
    allowed = bpfman.load("greedy", bpfman.place(10, allow_tail_calls=True), of=of)
    assert allowed.links[0].position == 0


def test_a_frags_program_among_others(bpfman, running: int) -> None:
    with refused(bpfman, Conflict, f"program {running}", "--frags"):
        bpfman.load(None, bpfman.place(), options={"frags": True})


def test_an_unknown_global(bpfman) -> None:
    with refused(bpfman, InvalidRequest, "'verdit'", "verdict (4 bytes)", "did you mean verdict"):
        bpfman.load(None, globals={"verdit": bytes(4)})


def test_a_global_of_the_wrong_size(bpfman) -> None:
    for size in (0, 1, 2, 8):
        with refused(bpfman, InvalidRequest, "'verdict' has 4 bytes", f"the value {size}"):
            bpfman.load(None, globals={"verdict": bytes(size)})


def test_an_unknown_map_owner(bpfman) -> None:
    with refused(bpfman, InvalidRequest, "no program 4000000000"):
        bpfman.load(None, map_owner_id=4_000_000_000)


def test_a_map_owner_that_borrows_itself(bpfman, running: int) -> None:
    borrower = bpfman.load(None, map_owner_id=running).kernel.id
    with refused(bpfman, InvalidRequest, f"program {borrower}", f"--map-owner-id {running}"):
        bpfman.load(None, map_owner_id=borrower)


def test_a_map_of_another_shape(bpfman, tmp_path) -> None:
    source = tmp_path / "other.c"
    text = bpfman.compiled("tests/several").with_suffix(".c").read_text()
    source.write_text(text.replace("max_entries, 2", "max_entries, 3"))
    made = tmp_path / "other.o"
    includes = ["-isystem", f"/usr/include/{os.uname().machine}-linux-gnu"]
    command = ["clang", "-target", "bpf", "-O2", "-g", *includes, "-c", source, "-o", made]
    subprocess.run(command, check=True)
    owner = bpfman.load("first", of="tests/several").kernel.id
    request = bpfman.request("first", map_owner_id=owner)
    with refused(bpfman, InvalidRequest, "'counts'", "same shape"):
        bpfman.handler.load(replace(request, source=FileSource(str(made), made.read_bytes())))


def test_a_program_that_the_verifier_rejects(bpfman) -> None:
    with pytest.raises(VerifierRejected) as caught:
        bpfman.load("refused", bpfman.place(), of="tests/several")
    assert "refused" in caught.value.message
    assert caught.value.telling in caught.value.log.splitlines()[-3:]
    check_agreement(bpfman.paths)
    assert len(bpfman.handler.links()) == 1


def test_unknown_ids(bpfman) -> None:
    for work in (
        lambda: bpfman.handler.unload(4_000_000_000),
        lambda: bpfman.handler.get(4_000_000_000),
        lambda: bpfman.handler.detach(77),
        lambda: bpfman.handler.get_link(77),
        lambda: bpfman.handler.update(UpdateRequest(77, {"priority": 1})),
        lambda: bpfman.handler.attach(4_000_000_000, bpfman.place()),
    ):
        with refused(bpfman, NotFound, "`bpfman list"):
            work()


def test_an_image_that_is_not_there(bpfman) -> None:
    request = replace(
        bpfman.request(None), source=ImageSource("quay.io/nobody/nothing:v1", PullPolicy.NEVER)
    )
    with refused(bpfman, NotFound, "quay.io/nobody/nothing:v1"):
        bpfman.handler.load(request)


def test_a_tracepoint_that_this_kernel_lacks(bpfman) -> None:
    of = "examples/tracepoint_counter"
    part = AttachPart("tracepoint", {"tracepoint": "syscalls/sys_enter_kil"})
    with refused(bpfman, InvalidRequest, "syscalls/sys_enter_kill"):
        bpfman.load(None, part, of=of, word="tracepoint")
    with refused(bpfman, InvalidRequest, "CATEGORY/NAME"):
        bpfman.load(None, replace(part, options={"tracepoint": "kill"}), of=of, word="tracepoint")


def test_a_descriptor_is_never_left_open(bpfman) -> None:
    before = len(os.listdir("/proc/self/fd"))
    bpfman.handler.unload(bpfman.load(None, bpfman.place()).kernel.id)
    assert len(os.listdir("/proc/self/fd")) == before
