"""Who comes where in a chain, and which chains are refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfman_core.dispatch.members import CAPACITY, Member, ordered, position
from bpfman_core.errors import Conflict, Full

PASS = frozenset({2})


def member(link: int, priority: int = 50) -> Member:
    return Member(link, 1000 + link, f"program{link}", priority, PASS)


chains = st.lists(
    st.builds(member, st.integers(1, 10**6), st.integers(0, 3)),
    max_size=CAPACITY,
    unique_by=lambda each: each.link,
)


@given(chains)
def test_priority_comes_first_and_then_the_order_of_attaching(chain: list[Member]) -> None:
    result = ordered(chain)
    assert sorted(result, key=lambda each: each.link) == sorted(chain, key=lambda each: each.link)
    for before, behind in pairwise(result):
        assert (before.priority, before.link) < (behind.priority, behind.link)


@given(chains, st.randoms())
def test_the_order_of_the_input_does_not_matter(chain: list[Member], random) -> None:
    shuffled = random.sample(chain, len(chain))
    assert ordered(shuffled) == ordered(chain)


@given(chains)
def test_positions_are_contiguous_from_zero(chain: list[Member]) -> None:
    result = ordered(chain)
    assert [position(result, each.link) for each in result] == list(range(len(chain)))


@given(chains, st.data())
def test_taking_one_out_leaves_the_order_of_the_others(chain: list[Member], data) -> None:
    result = ordered(chain)
    gone = data.draw(st.sampled_from(result)) if result else None
    assert ordered(set(chain) - {gone}) == tuple(each for each in result if each != gone)


def test_a_link_that_is_not_there_has_no_position() -> None:
    assert position(ordered([member(1)]), 2) is None


def test_the_first_of_equals_runs_first() -> None:
    assert [each.link for each in ordered([member(9), member(3), member(5, 1)])] == [5, 3, 9]


def test_a_hook_holds_32_and_no_more() -> None:
    full = [member(link) for link in range(CAPACITY)]
    assert len(ordered(full)) == 32
    with pytest.raises(Full, match="already holds 32"):
        ordered([*full, member(99)])


def test_a_program_with_tail_calls_may_only_be_last() -> None:
    calling = replace(member(1), tail_calls=True)
    assert ordered([calling]) == (calling,)
    assert ordered([replace(calling, priority=60), member(2)])[-1].link == 1
    with pytest.raises(Conflict, match=r"program1.*makes tail calls.*--allow-tail-calls"):
        ordered([calling, member(2)])


def test_a_program_with_tail_calls_may_be_anywhere_where_the_user_says_so() -> None:
    allowed = replace(member(1), tail_calls=True, tail_calls_allowed=True)
    assert [each.link for each in ordered([member(2), allowed])] == [1, 2]


def test_programs_with_and_without_frags_do_not_mix() -> None:
    frags = replace(member(1), frags=True)
    assert ordered([frags, replace(member(2), frags=True)])
    with pytest.raises(Conflict) as refused:
        ordered([frags, member(2)])
    assert "program1" in refused.value.message
    assert "program2" in refused.value.message
    assert "--frags" in str(refused.value)
