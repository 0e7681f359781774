"""The chain on one hook, as it is in the kernel, and its replacement in one atomic step.

A chain owns a directory of pins: `link`, which keeps the dispatcher on the hook, and
`progs_<generation>`, which keeps that dispatcher's program array filled (the kernel empties a
program array once neither a descriptor nor a pin holds it, even while a program uses it). Nothing
else is needed to find the chain again: the link names the dispatcher, the dispatcher its maps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bpfman_core.dispatch import members as pure
from bpfman_core.dispatch import state
from bpfman_core.dispatch.build import Built, build
from bpfman_core.dispatch.hook import Attach, HookType
from bpfman_core.dispatch.members import Member
from bpfman_core.dispatch.seat import LinkSeat, Seat, Seated, replaced
from bpfman_core.dispatch.state import State
from bpfman_core.errors import Conflict
from bpfman_core.kernel import maps, pins, programs
from bpfman_core.kernel.maps import MapType
from bpfman_core.kernel.syscall import wait_for_readers
from bpfman_core.model import Json

_TABLE = "progs_"


@dataclass(frozen=True)
class Running:
    """A chain in the kernel: the dispatcher where it sits, the table's map id, and the state.

    `table` is 0 where the program is no dispatcher.
    """

    seated: Seated
    table: int
    state: State


class Chain:
    """One hook's chain. Changes are the caller's to serialise (bpfman's writer lock does)."""

    def __init__(self, hook: HookType, directory: Path, seat: Seat | None = None) -> None:
        self._hook = hook
        self._directory = directory
        self._seat = seat or LinkSeat(directory / "link")

    def read(self) -> State | None:
        """The members that run now, in order; None where the hook has no chain of ours."""
        running = self._find()
        return running.state if running and running.seated.alive else None

    def add(self, member: Member, attach: Attach | None, facts: Mapping[str, Json]) -> None:
        """Put a member in its place. `attach` and `facts` serve where the hook is empty so far."""
        running = self._running()
        others = [each for each in self._members(running) if each.link != member.link]
        self._become([*others, member], running, attach, facts)

    def change(self, link: int, priority: int, proceed_on: frozenset[int]) -> None:
        """Give a member another place and set. Raises Conflict where it is not in the chain."""
        running = self._running()
        chain = self._members(running)
        if running is None or pure.position(chain, link) is None:
            raise Conflict(f"link {link} is no longer on its hook", hint="detach it")
        changed = [
            replace(each, priority=priority, proceed_on=proceed_on) if each.link == link else each
            for each in chain
        ]
        self._become(changed, running, None, {})

    def remove(self, link: int) -> None:
        """Take a member out; with the last one the dispatcher goes. A stranger is no error."""
        running = self._running()
        others = [each for each in self._members(running) if each.link != link]
        if running is None or not others:
            self._leave(running)
        elif len(others) < len(running.state.members):
            self._become(others, running, None, {})

    def collect(self) -> None:
        """Remove what is left of an interface that is gone, and tables that no dispatcher uses."""
        running = self._running()
        if running is None:
            self._leave(None)
        else:
            self._drop_tables(keep=running.table)

    def _members(self, running: Running | None) -> tuple[Member, ...]:
        return running.state.members if running else ()

    def _become(
        self,
        members: list[Member],
        running: Running | None,
        attach: Attach | None,
        facts: Mapping[str, Json],
    ) -> None:
        if running and not running.table:
            raise replaced()
        chain = pure.ordered(members)
        kept = running.state.facts if running else facts
        built = build(self._hook, chain, state.encode(chain, kept))
        self._directory.mkdir(parents=True, exist_ok=True)
        table = self._directory / f"{_TABLE}{self._last_generation() + 1}"
        pins.pin(built.table, table)
        try:
            self._switch(running, built, attach)
        except BaseException:
            self.collect()  # asks the kernel which table is in use, rather than guess
            raise
        if running:
            wait_for_readers()
            self._drop_tables(keep=maps.info(built.table).id)

    def _switch(self, running: Running | None, built: Built, attach: Attach | None) -> None:
        """The step that counts: from here on the hook runs the new dispatcher."""
        if running is None:
            self._seat.put(built.dispatcher, attach)
        else:
            self._seat.replace(running.seated, built.dispatcher)

    def _leave(self, running: Running | None) -> None:
        self._seat.leave(running.seated if running else None)
        pins.remove_directory(self._directory)

    def _running(self) -> Running | None:
        """The chain to change; one whose interface is gone is cleared away first."""
        running = self._find()
        if running is None or running.seated.alive:
            return running
        self._leave(running)
        return None

    def _find(self) -> Running | None:
        seated = self._seat.find()
        if seated is None:
            return None
        table, found = 0, State(())
        for map_id in programs.info(seated.dispatcher).map_ids:
            with maps.open_by_id(map_id) as held:
                described = maps.info(held)
                if described.type == MapType.PROG_ARRAY:
                    table = map_id
                elif described.name == state.MAP_NAME:
                    found = state.read(held)
        return Running(seated, table, found)

    def _tables(self) -> Iterator[Path]:
        if self._directory.is_dir():
            yield from self._directory.glob(f"{_TABLE}*")

    def _last_generation(self) -> int:
        return max((int(path.name.removeprefix(_TABLE)) for path in self._tables()), default=0)

    def _drop_tables(self, *, keep: int) -> None:
        for path in list(self._tables()):
            with pins.open_pin(path) as table:
                used = maps.info(table).id == keep
            if not used:
                pins.unpin(path)
