"""bpfman is killed at every step of every change; the next one makes everything agree again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bpfman_core.api import AttachPart, ListRequest, UpdateRequest
from bpfman_core.handler import local
from bpfman_core.testing.agreement import check_agreement
from bpfman_core.testing.killing import survives

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(600)]

MOST = 60
"""No change has more steps."""


@pytest.fixture
def neighbour(bpfman) -> int:
    """A member that is there all the time, and must never miss a packet."""
    return bpfman.load(None, bpfman.place(50)).kernel.id


def killed_at_every_step(
    bpfman, neighbour: int, prepare: Callable[[], int], change: Callable[[int], object]
) -> set[tuple[int, ...]]:
    """Kill `change` at each step and recover; gives the orders of programs found afterwards.

    `prepare` makes what is to be changed, `change` gets what it gave. In an order 0 stands for
    the neighbour and 1 for another program.
    """
    found = set()
    for steps in range(MOST):
        subject = prepare()
        survived = survives(lambda subject=subject: change(subject), steps=steps)
        meets_packets(bpfman, neighbour)
        bpfman.handler = local(bpfman.paths)
        bpfman.handler.prepare()
        check_agreement(bpfman.paths)
        meets_packets(bpfman, neighbour)
        order = tuple(0 if program == neighbour else 1 for program in bpfman.order())
        clear(bpfman, neighbour)
        if survived:
            assert steps > 3
            return found
        found.add(order)
    raise AssertionError("the change has no end")


def meets_packets(bpfman, neighbour: int) -> None:
    before = bpfman.count(neighbour)
    bpfman.delivered(3)
    assert bpfman.count(neighbour) == before + 3


def clear(bpfman, neighbour: int) -> None:
    for view in bpfman.handler.list(ListRequest()):
        if view.kernel.id != neighbour:
            bpfman.handler.unload(view.kernel.id)


def test_load_and_attach(bpfman, neighbour: int) -> None:
    found = killed_at_every_step(
        bpfman, neighbour, lambda: 0, lambda _: bpfman.load(None, bpfman.place(60))
    )
    assert (0,) in found
    assert found <= {(0,), (0, 1)}


def test_attach(bpfman, neighbour: int) -> None:
    def prepare() -> int:
        return bpfman.load(None).kernel.id

    found = killed_at_every_step(
        bpfman,
        neighbour,
        prepare,
        lambda program: bpfman.handler.attach(program, bpfman.place(60)),
    )
    assert found <= {(0,), (0, 1)}


def test_update(bpfman, neighbour: int) -> None:
    def prepare() -> int:
        return bpfman.load(None, bpfman.place(60)).link_ids[0]

    found = killed_at_every_step(
        bpfman,
        neighbour,
        prepare,
        lambda link: bpfman.handler.update(UpdateRequest(link, {"priority": 40})),
    )
    assert found <= {(0, 1), (1, 0)}
    assert (1, 0) in found


def test_detach(bpfman, neighbour: int) -> None:
    def prepare() -> int:
        return bpfman.load(None, bpfman.place(60)).link_ids[0]

    found = killed_at_every_step(bpfman, neighbour, prepare, bpfman.handler.detach)
    assert found <= {(0, 1), (0,)}
    assert (0,) in found


def test_unload(bpfman, neighbour: int) -> None:
    def prepare() -> int:
        return bpfman.load(None, bpfman.place(60)).kernel.id

    found = killed_at_every_step(bpfman, neighbour, prepare, bpfman.handler.unload)
    assert found <= {(0, 1), (0,)}
    assert (0,) in found


def test_a_link_that_the_host_pins(bpfman, neighbour: int) -> None:
    part = AttachPart("tracepoint", {"tracepoint": "syscalls/sys_enter_kill"})
    of = "examples/tracepoint_counter"
    killed_at_every_step(
        bpfman, neighbour, lambda: 0, lambda _: bpfman.load(None, part, of=of, word="tracepoint")
    )


@pytest.mark.parametrize("count", [0, 1])
def test_a_chain_on_clsact(bpfman, neighbour: int, count: int) -> None:
    """The first member of a chain, with its qdisc, and another one."""
    options = {**bpfman.place(60).options, "direction": "ingress", "hook": "clsact"}
    part, of = AttachPart("tc", options), "examples/tc_counter"
    standing = [bpfman.load(None, part, of=of, word="tc").kernel.id for _ in range(count)]
    for steps in range(MOST):
        subject = bpfman.load(None, of=of, word="tc").kernel.id
        survived = survives(lambda one=subject: bpfman.handler.attach(one, part), steps=steps)
        meets_packets(bpfman, neighbour)
        recovered(bpfman)
        bpfman.handler.unload(subject)
        subject = bpfman.load(None, part, of=of, word="tc").kernel.id
        survived &= survives(lambda one=subject: bpfman.handler.unload(one), steps=steps)
        meets_packets(bpfman, neighbour)
        recovered(bpfman)
        if survived:
            break
        for view in bpfman.handler.list(ListRequest()):
            if view.kernel.id not in (neighbour, *standing):
                bpfman.handler.unload(view.kernel.id)
    assert 3 < steps < MOST - 1


def recovered(bpfman) -> None:
    bpfman.handler = local(bpfman.paths)
    bpfman.handler.prepare()
    check_agreement(bpfman.paths)


def test_a_recovery_that_is_killed_itself(bpfman, neighbour: int) -> None:
    for steps in range(4, MOST):
        if survives(lambda: bpfman.load(None, bpfman.place(60)), steps=steps):
            break
        for again in range(MOST):
            if survives(lambda: local(bpfman.paths).prepare(), steps=again):
                break
        check_agreement(bpfman.paths)
        meets_packets(bpfman, neighbour)
        clear(bpfman, neighbour)


def test_the_next_change_recovers_without_a_service(bpfman, neighbour: int) -> None:
    for steps in range(MOST):
        if survives(lambda: bpfman.load(None, bpfman.place(60)), steps=steps):
            break
        other = bpfman.load(None, bpfman.place(70)).kernel.id
        check_agreement(bpfman.paths)
        bpfman.handler.unload(other)
        clear(bpfman, neighbour)


def test_pins_removed_by_hand(bpfman, neighbour: int) -> None:
    other = bpfman.load(None, bpfman.place(60)).kernel.id
    bpfman.paths.program_pin(other).unlink()
    bpfman.delivered()
    bpfman.load(None, bpfman.place(70))
    assert other not in bpfman.order()
    check_agreement(bpfman.paths)


def test_all_pins_removed_by_hand(bpfman, neighbour: int) -> None:
    bpfman.load(None, bpfman.place(60))
    for path in sorted(bpfman.paths.bpffs.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        elif not path.name.endswith(".debug"):
            path.unlink()
        bpfman.delivered(2)
    bpfman.handler.prepare()
    assert bpfman.handler.links() == ()
    check_agreement(bpfman.paths)
