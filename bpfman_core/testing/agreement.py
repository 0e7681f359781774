"""Whether the store, the pins and the kernel say the same."""

from __future__ import annotations

from bpfman_core.api import ListRequest
from bpfman_core.handler import local
from bpfman_core.kernel import pins, programs
from bpfman_core.model import LinkState, ProgramState
from bpfman_core.paths import Paths
from bpfman_core.store import Store


def check_agreement(paths: Paths) -> None:
    """Raises AssertionError unless every record is settled, pinned, in the kernel, and no other."""
    store = Store(paths.database)
    records = {record.id: record for record in store.programs()}
    links = {record.id: record for record in store.links()}
    assert {record.state for record in records.values()} <= {ProgramState.LOADED}
    assert {record.state for record in links.values()} <= {LinkState.ATTACHED}
    assert _names(paths, "programs") == set(records)
    assert _names(paths, "maps") == {record.maps_of for record in records.values()}
    assert _names(paths, "links") <= set(links)
    for record in records.values():
        with pins.open_pin(paths.program_pin(record.id)) as held:
            assert programs.info(held).id == record.id
    handler = local(paths)
    assert {view.id for view in handler.links() if view.attached} == set(links)
    assert {view.kernel.id for view in handler.list(ListRequest())} == set(records)


def pinned(paths: Paths) -> list[str]:
    """All pins of ours, as paths below the bpffs."""
    return sorted(
        str(path.relative_to(paths.bpffs))
        for directory in paths.pin_directories
        for path in directory.rglob("*")
        if path.is_file()
    )


def _names(paths: Paths, directory: str) -> set[int]:
    return {int(path.name) for path in (paths.bpffs / directory).glob("*")}
