"""The state of a chain, kept in the kernel beside the dispatcher it describes.

A JSON document in a frozen array map that no program uses: BPF_PROG_BIND_MAP ties its life to the
dispatcher's, so it comes and goes in the same atomic step and costs nothing while packets pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bpfman_core.dispatch.members import Member
from bpfman_core.errors import Conflict
from bpfman_core.kernel import maps, programs
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.maps import MapType
from bpfman_core.model import Json

MAP_NAME = "bpfman_state"
_VERSION = 1


@dataclass(frozen=True)
class State:
    """What a dispatcher runs: its members in order, and facts of the hook's plugin (JSON)."""

    members: tuple[Member, ...]
    facts: Mapping[str, Json] = field(default_factory=dict)


def encode(members: Sequence[Member], facts: Mapping[str, Json]) -> bytes:
    """The document for these members in their order."""
    rows = [{**vars(member), "proceed_on": sorted(member.proceed_on)} for member in members]
    document = {"version": _VERSION, "members": rows, "facts": dict(facts)}
    return json.dumps(document, separators=(",", ":")).encode()


def decode(document: bytes) -> State:
    """The inverse of `encode`. Raises Conflict for a version that is not ours."""
    values = json.loads(document)
    if values.get("version") != _VERSION:
        raise Conflict(
            f"a chain's state is of version {values.get('version')}, this bpfman knows {_VERSION}",
            hint="unload its programs with the bpfman that made it",
        )
    rows = values["members"]
    members = (Member(**{**row, "proceed_on": frozenset(row["proceed_on"])}) for row in rows)
    return State(tuple(members), values["facts"])


def bind(dispatcher: Fd, document: bytes) -> None:
    """Put the document into a frozen map that lives as long as `dispatcher`."""
    padded = document.ljust((len(document) + 7) // 8 * 8, b"\0")
    kind, flags = MapType.ARRAY, maps.READ_ONLY_FOR_PROGRAMS
    with maps.create(kind, value_size=len(padded), entries=1, name=MAP_NAME, flags=flags) as held:
        maps.update(held, bytes(4), padded)
        maps.freeze(held)
        programs.bind_map(dispatcher, held)


def read(map_fd: Fd) -> State:
    """The state that a map named MAP_NAME holds."""
    return decode(maps.lookup(map_fd, bytes(4)).rstrip(b"\0"))
