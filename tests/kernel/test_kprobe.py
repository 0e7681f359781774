"""Kprobes count the calls of a function of the kernel exactly."""

from __future__ import annotations

import struct
import time

import pytest

from bpfman_core.api import AttachPart
from bpfman_core.errors import InvalidRequest, Unsupported
from bpfman_core.kernel import maps, pins, probe
from bpfman_core.testing.agreement import check_agreement, pinned

pytestmark = pytest.mark.kernel

FUNCTION = "do_nanosleep"
OF = "examples/kprobe_counter"


class Probed:
    def __init__(self, bpfman, word: str) -> None:
        self.bpfman = bpfman
        self.word = word

    def load(self, **options) -> int:
        part = AttachPart(self.word, {"fn_name": FUNCTION, **options})
        return self.bpfman.load(None, part, of=OF, word=self.word).kernel.id

    def hits(self, program: int) -> int:
        with pins.open_pin(self.bpfman.paths.map_pin(program, "hits")) as held:
            return sum(count for (count,) in struct.iter_unpack("=Q", maps.lookup(held, bytes(4))))


def has_kprobes() -> bool:
    try:
        probe.require("kprobe")
    except Unsupported:
        return False
    return True


def sleep(times: int) -> None:
    for _ in range(times):
        time.sleep(0.0001)


@pytest.fixture(params=["kprobe", "kretprobe"])
def probed(bpfman, request) -> Probed:
    return Probed(bpfman, request.param)


def test_a_kernel_without_kprobes_says_so(bpfman) -> None:
    if not has_kprobes():
        with pytest.raises(Unsupported, match="CONFIG_KPROBES is not set"):
            Probed(bpfman, "kprobe").load()
        assert pinned(bpfman.paths) == []


def test_counts_until_it_is_detached(probed) -> None:
    program = probed.load()
    before = probed.hits(program)
    sleep(20)
    assert probed.hits(program) >= before + 20
    probed.bpfman.handler.detach(probed.bpfman.handler.get(program).link_ids[0])
    after = probed.hits(program)
    sleep(5)
    assert probed.hits(program) == after
    probed.bpfman.handler.unload(program)
    check_agreement(probed.bpfman.paths)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fn_name": "do_nanoslep"}, "no function 'do_nanoslep'; did you mean .*do_nanosleep"),
        ({"fn_name": "no_such_function_at_all"}, "no function"),
        ({"offset": 1 << 20}, "beyond its end"),
    ],
)
def test_what_cannot_be_probed(bpfman, options, message: str) -> None:
    probe.require("kprobe")
    with pytest.raises(InvalidRequest, match=message):
        Probed(bpfman, "kprobe").load(**options)
    check_agreement(bpfman.paths)
