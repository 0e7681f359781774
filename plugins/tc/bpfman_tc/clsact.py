"""A dispatcher on the clsact qdisc: a filter, which nothing but itself keeps there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bpfman_core.plugin import (
    Attach,
    Conflict,
    Fd,
    InvalidRequest,
    MapType,
    Seated,
    clsact,
    interfaces,
    maps,
    netns,
    pins,
    programs,
)

NAME = "bpfman_tc"


@dataclass(frozen=True)
class ClsactSeat:
    """The clsact hook of one direction of an interface.

    `tables` is the directory that pins the chain's tables: a filter whose table is not there is not
    ours. `marker` is a directory that exists while the qdisc was made by bpfman.
    """

    tables: Path
    marker: Path
    namespace: str | None
    ifindex: int
    direction: str

    def find(self) -> Seated | None:
        """See `Seat`."""
        with netns.inside(self.namespace):
            if not interfaces.exists(self.ifindex):
                return None
            found = self._in_place()
        if found is None or found.name != NAME:
            return None
        dispatcher = programs.open_by_id(found.program_id)
        return Seated(dispatcher, alive=True) if self._is_ours(dispatcher) else None

    def put(self, dispatcher: Fd, attach: Attach | None) -> None:
        """See `Seat`."""
        del attach  # it is for links
        with netns.inside(self.namespace):
            self._need_qdisc()
            there = self._in_place()
            if there is None:
                clsact.add(self.ifindex, self.direction, dispatcher, NAME)
            elif there.name == NAME and _is_deserted(there.program_id):
                clsact.replace(self.ifindex, self.direction, dispatcher, NAME)
            else:
                raise Conflict(
                    f"filter {there.name} (program {there.program_id}) of somebody else is at "
                    f"priority {clsact.PRIORITY} of {self.direction}",
                    hint="remove it, or give it another priority",
                )

    def replace(self, seated: Seated, dispatcher: Fd) -> None:
        """See `Seat`."""
        with netns.inside(self.namespace):
            there = self._in_place()
            if there is None or there.program_id != programs.info(seated.dispatcher).id:
                raise Conflict("another process replaced the dispatcher", hint="detach all of it")
            clsact.replace(self.ifindex, self.direction, dispatcher, NAME)

    def leave(self, seated: Seated | None) -> None:
        """See `Seat`."""
        with netns.inside(self.namespace):
            if interfaces.exists(self.ifindex):
                if seated is not None:
                    clsact.delete(self.ifindex, self.direction)
                self._leave_qdisc()
        if seated is not None:
            seated.dispatcher.close()

    def _in_place(self) -> clsact.Filter | None:
        if clsact.qdisc(self.ifindex) != "clsact":
            return None
        there = clsact.filters(self.ifindex, self.direction)
        return next((one for one in there if one.ours_to_be), None)

    def _need_qdisc(self) -> None:
        match clsact.qdisc(self.ifindex):
            case "clsact":
                return
            case None:
                self.marker.mkdir(parents=True, exist_ok=True)
                clsact.add_qdisc(self.ifindex)
            case other:
                raise Conflict(
                    f"somebody's {other} qdisc is on the interface, where clsact would have to be",
                    hint="remove it, or let the programs run on TCX (Linux 6.6)",
                )

    def _leave_qdisc(self) -> None:
        """Remove the qdisc if we made it and nobody uses it."""
        if not self.marker.is_dir():
            return
        if clsact.qdisc(self.ifindex) == "clsact":
            if clsact.in_use(self.ifindex):
                return
            clsact.delete_qdisc(self.ifindex)
        self.marker.rmdir()

    def _is_ours(self, dispatcher: Fd) -> bool:
        pinned = set()
        for path in self.tables.glob("progs_*"):
            with pins.open_pin(path) as table:
                pinned.add(maps.info(table).id)
        return not pinned.isdisjoint(programs.info(dispatcher).map_ids)


def inode_of(namespace: str | None) -> int | None:
    """The inode number of a network namespace, None where it is gone."""
    try:
        with netns.inside(namespace) as inode:
            return inode
    except InvalidRequest:
        return None


def _is_deserted(program_id: int) -> bool:
    """Whether a dispatcher's table was emptied, as when somebody removed its pins."""
    with programs.open_by_id(program_id) as dispatcher:
        for map_id in programs.info(dispatcher).map_ids:
            with maps.open_by_id(map_id) as held:
                if maps.info(held).type == MapType.PROG_ARRAY:
                    return not maps.has(held, bytes(4))
    return False
