"""A process is killed in the middle of a change, at every step of it; the next one takes it up."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from bpfman_core.dispatch.state import State
from bpfman_core.testing.hooks import NATIVE
from bpfman_core.testing.killing import start, survives

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.parametrize("mode", [NATIVE], ids=["native"], indirect=True),
]

DROP, PASS = 1, 2


def killed_at_every_step(bench, prepare: Callable[[], None], change: Callable[[], None]) -> int:
    """Kill `change` at each of its steps, check what is left, and finish it; gives their number."""
    for step in range(100):
        prepare()
        before = bench.chain.read()
        survived = survives(change, steps=step)
        judged_by_a_whole_chain(bench)
        bench.chain.collect()
        found = bench.chain.read()
        assert len(bench.pins()) == (2 if found else 0)
        judged_by_a_whole_chain(bench)
        change()
        after = bench.chain.read()
        assert found in (before, after)
        clear(bench)
        if survived:
            assert found == after
            return step
    raise AssertionError("the change has no end")


def judged_by_a_whole_chain(bench) -> None:
    """Members in front of the last one pass, the last one counts: all of them or none run."""
    links = bench.links()
    bench.scripted.script([PASS] * 5)
    with bench.veth.near.listen() as behind:
        bench.veth.far.send(5)
        behind.wait_for(5)
    runs = [5 if number + 1 in links else 0 for number in range(5)]
    assert bench.scripted.counts() == runs


def clear(bench) -> None:
    state = bench.chain.read() or State(())
    for member in state.members:
        bench.chain.remove(member.link)


def test_the_first_attach(bench) -> None:
    steps = killed_at_every_step(bench, lambda: None, lambda: bench.add(bench.member(0)))
    assert steps == 3  # pin the table, create the link, pin it


def test_another_attach(bench) -> None:
    def prepare() -> None:
        bench.add(bench.member(0), bench.member(1))

    steps = killed_at_every_step(bench, prepare, lambda: bench.add(bench.member(2, 10)))
    assert steps == 4  # pin the table, update the link, wait, unpin the old table


def test_a_change(bench) -> None:
    def prepare() -> None:
        bench.add(bench.member(0), bench.member(1))

    def change() -> None:
        bench.chain.change(2, 10, frozenset({PASS, DROP}))

    assert killed_at_every_step(bench, prepare, change) == 4


def test_a_removal(bench) -> None:
    def prepare() -> None:
        bench.add(*(bench.member(number) for number in range(3)))

    assert killed_at_every_step(bench, prepare, lambda: bench.chain.remove(1)) == 4


def test_the_last_removal(bench) -> None:
    def prepare() -> None:
        bench.add(bench.member(0))

    steps = killed_at_every_step(bench, prepare, lambda: bench.chain.remove(1))
    assert steps == 4  # unpin the link, detach it, unpin the table, remove the directory


def test_a_reader_sees_whole_chains_while_another_process_changes_them(bench) -> None:
    bench.add(bench.member(0), bench.member(1))

    def work() -> None:
        for _ in range(10):
            bench.add(bench.member(2, 10))
            bench.chain.remove(3)

    child = start(work)
    seen = set()
    ended, status = 0, 0
    while not ended:
        seen.add(tuple(bench.links()))
        ended, status = os.waitpid(child, os.WNOHANG)
    assert status == 0
    assert seen == {(1, 2), (3, 1, 2)}
