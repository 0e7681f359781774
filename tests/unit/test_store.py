"""Records come back as they were stored."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from bpfman_core.errors import BpfmanError, NotFound
from bpfman_core.model import (
    FileOrigin,
    ImageOrigin,
    LinkRecord,
    LinkState,
    ProgramRecord,
    ProgramSpec,
    ProgramState,
    PullPolicy,
)
from bpfman_core.store import Store

IMAGE = ImageOrigin("quay.io/one/two:v1", PullPolicy.ALWAYS, "sha256:00", "seed")
SPEC = ProgramSpec(
    name="pass",
    type="xdp",
    origin=FileOrigin("/objects/pass.o"),
    globals={"one": b"\x00\xff"},
    metadata={"team": "edge"},
    application="wall",
    map_owner_id=7,
    options={"frags": True},
)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "bpfman.db")


def test_programs(store) -> None:
    one = ProgramRecord(10, SPEC, 7, ProgramState.LOADING)
    two = ProgramRecord(9, replace(SPEC, origin=IMAGE), 9)
    store.put_programs(one, two)
    assert store.programs() == [two, one]
    store.put_programs(replace(one, state=ProgramState.LOADED))
    assert store.program(10).state is ProgramState.LOADED
    assert store.program(9) == two


def test_links_get_numbers_that_never_come_back(store) -> None:
    store.put_programs(ProgramRecord(10, SPEC, 10))
    wanted = LinkRecord(0, 10, "xdp", {"iface": "eth0"}, metadata={"a": "b"})
    first = store.add_link(wanted)
    store.drop_link(first.id)
    second = store.add_link(wanted)
    assert (first.id, second.id) == (1, 2)
    store.put_link(replace(second, state=LinkState.DETACHING, output={"hook": "x"}))
    assert store.link(2) == replace(second, state=LinkState.DETACHING, output={"hook": "x"})
    assert store.links(10) == store.links() == [store.link(2)]
    assert store.links(11) == []
    store.drop_program(10)
    assert store.links() == []


def test_nothing_is_there_before_the_first_write(store, tmp_path) -> None:
    assert store.programs() == []
    assert store.links() == []
    assert list(tmp_path.iterdir()) == []


def test_unknown_ids(store) -> None:
    for find in (store.program, store.link):
        with pytest.raises(NotFound, match="5"):
            find(5)


def test_a_database_of_another_version(store, tmp_path) -> None:
    with sqlite3.connect(tmp_path / "bpfman.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(BpfmanError, match="version 99"):
        store.programs()


def test_a_damaged_database(store, tmp_path) -> None:
    (tmp_path / "bpfman.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(BpfmanError, match="damaged"):
        store.programs()
