"""What holds for every program type: exact counts while it is attached, and not one after."""

from __future__ import annotations

import ctypes
import os
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from bpfman_core.api import AttachPart
from bpfman_core.kernel import maps, pins
from bpfman_core.testing.agreement import check_agreement, pinned

pytestmark = pytest.mark.kernel

_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True)
class Case:
    """A type: its program, the options of its load and attach, and what makes it run once."""

    object: str
    load: dict[str, Any]
    attach: Callable[[Any], dict[str, Any]]
    trigger: Callable[[Any, int], None]
    verdict: int | None = None


def on_interface(**options: Any) -> Callable[[Any], dict[str, Any]]:
    return lambda bpfman: {**bpfman.place(50).options, **options}


def arriving(bpfman, times: int) -> None:
    with bpfman.veth.near.listen() as behind:
        bpfman.veth.far.send(times)
        behind.wait_for(times)


def leaving(bpfman, times: int) -> None:
    with bpfman.veth.far.listen() as behind:
        bpfman.veth.near.send(times)
        behind.wait_for(times)


def system_call(_, times: int) -> None:
    for _ in range(times):
        os.getpriority(os.PRIO_PROCESS, 0)


def allocate(_, times: int) -> None:
    with tempfile.TemporaryFile(dir="/dev/shm") as file:
        for index in range(times):
            os.posix_fallocate(file.fileno(), index * 4096, 4096)


def library_call(_, times: int) -> None:
    for _ in range(times):
        _LIBC.a64l(b"x")


PIPE, UNSPEC = 3, -1
IN_KERNEL = {"fn_name": "vfs_fallocate"}
IN_LIBC = {"target": "libc", "fn_name": "a64l", "pid": os.getpid()}

CASES = {
    "xdp": Case("xdp_counter", {}, on_interface(), arriving),
    "tc": Case("tc_counter", {}, on_interface(direction="ingress"), arriving, PIPE),
    "tcx": Case("tc_counter", {}, on_interface(direction="egress"), leaving, UNSPEC),
    "tracepoint": Case(
        *("tracepoint_counter", {}),
        lambda _: {"tracepoint": "syscalls/sys_enter_getpriority"},
        system_call,
    ),
    "kprobe": Case("kprobe_counter", {}, lambda _: IN_KERNEL, allocate),
    "kretprobe": Case("kprobe_counter", {}, lambda _: IN_KERNEL, allocate),
    "uprobe": Case("uprobe_counter", {}, lambda _: IN_LIBC, library_call),
    "uretprobe": Case("uprobe_counter", {}, lambda _: IN_LIBC, library_call),
    "fentry": Case("fentry_counter", IN_KERNEL, lambda _: {}, allocate),
    "fexit": Case("fexit_counter", IN_KERNEL, lambda _: {}, allocate),
}


class Subject:
    """Programs of one type."""

    def __init__(self, bpfman, word: str) -> None:
        self.bpfman = bpfman
        self.word = word
        self.case = CASES[word]

    def load(self) -> int:
        verdict = self.case.verdict
        more = {} if verdict is None else {"globals": {"verdict": struct.pack("=i", verdict)}}
        part = AttachPart(self.word, self.case.attach(self.bpfman))
        of, options = f"examples/{self.case.object}", self.case.load
        loaded = self.bpfman.load(None, part, of=of, word=self.word, options=options, **more)
        assert loaded.links[0].attached
        assert loaded.type == self.word
        return loaded.kernel.id

    def trigger(self, times: int) -> None:
        self.case.trigger(self.bpfman, times)

    def detach(self, program: int) -> None:
        self.bpfman.handler.detach(self.bpfman.handler.get(program).link_ids[0])

    def count(self, program: int) -> int:
        name, layout, size = "hits", "=Q", 1
        if self.case.object in ("xdp_counter", "tc_counter"):
            name, layout, size = "traffic", "=Q8x", 16
        with pins.open_pin(self.bpfman.paths.map_pin(program, name)) as held:
            values = [maps.lookup(held, struct.pack("=I", key)) for key in range(size)]
        return sum(count for value in values for (count,) in struct.iter_unpack(layout, value))


@pytest.fixture(params=CASES)
def subject(bpfman, request) -> Subject:
    return Subject(bpfman, request.param)


def test_exact_counts_from_attach_to_detach(subject) -> None:
    program = subject.load()
    subject.trigger(7)
    assert subject.count(program) == 7
    subject.detach(program)
    subject.trigger(5)
    assert subject.count(program) == 7
    subject.bpfman.handler.unload(program)
    check_agreement(subject.bpfman.paths)
    assert pinned(subject.bpfman.paths) == []


def test_three_on_one_hook_detached_in_staggered_order(subject) -> None:
    programs = [subject.load() for _ in range(3)]
    attached, expected = set(programs), dict.fromkeys(programs, 0)
    for gone in (programs[1], programs[0], programs[2]):
        subject.trigger(4)
        expected = {one: count + 4 * (one in attached) for one, count in expected.items()}
        assert {one: subject.count(one) for one in programs} == expected
        subject.detach(gone)
        attached.remove(gone)
    subject.trigger(4)
    assert {one: subject.count(one) for one in programs} == expected


def test_attached_again_it_goes_on_counting(subject) -> None:
    program = subject.load()
    subject.trigger(2)
    subject.detach(program)
    part = AttachPart(subject.word, subject.case.attach(subject.bpfman))
    assert subject.bpfman.handler.attach(program, part).attached
    subject.trigger(3)
    assert subject.count(program) == 5
