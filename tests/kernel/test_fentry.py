"""Fentry and fexit programs count the calls of a function of the kernel exactly."""

from __future__ import annotations

import struct
import time

import pytest

from bpfman_core.api import AttachPart
from bpfman_core.errors import InvalidRequest, Unsupported
from bpfman_core.kernel import maps, pins
from bpfman_core.testing.agreement import check_agreement, pinned

pytestmark = pytest.mark.kernel

FUNCTION = "do_nanosleep"


def load(bpfman, word: str, function: str = FUNCTION):
    of = f"examples/{word}_counter"
    options = {"fn_name": function}
    return bpfman.load(None, AttachPart(word, {}), of=of, word=word, options=options)


def hits(bpfman, program: int) -> int:
    with pins.open_pin(bpfman.paths.map_pin(program, "hits")) as held:
        return sum(count for (count,) in struct.iter_unpack("=Q", maps.lookup(held, bytes(4))))


@pytest.mark.parametrize("word", ["fentry", "fexit"])
def test_counts_until_it_is_detached(bpfman, word: str) -> None:
    loaded = load(bpfman, word)
    assert loaded.links[0].rows == (("Function", FUNCTION),)
    program = loaded.kernel.id
    before = hits(bpfman, program)
    for _ in range(20):
        time.sleep(0.0001)
    assert hits(bpfman, program) >= before + 20
    bpfman.handler.detach(loaded.link_ids[0])
    after = hits(bpfman, program)
    time.sleep(0.001)
    assert hits(bpfman, program) == after
    again = bpfman.handler.attach(program, AttachPart(word, {}))
    time.sleep(0.001)
    assert again.attached
    assert hits(bpfman, program) > after
    bpfman.handler.unload(program)
    check_agreement(bpfman.paths)


def test_a_function_that_is_not_there(bpfman) -> None:
    with pytest.raises(InvalidRequest, match=r"no function 'do_nanoslep'.*do_nanosleep"):
        load(bpfman, "fentry", "do_nanoslep")
    assert pinned(bpfman.paths) == []


def test_a_kernel_that_refuses_says_so(bpfman) -> None:
    try:
        load(bpfman, "fentry")
    except Unsupported as error:
        assert "tracing programs even to root" in str(error)  # noqa: PT017 - it may also work
    assert len(bpfman.handler.links()) <= 1
