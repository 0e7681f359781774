"""The chains of a program type: what the hooks of its plugin do, once for all such plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bpfman_core.dispatch.chain import Chain
from bpfman_core.dispatch.hook import Attach, HookType
from bpfman_core.dispatch.members import Member, position
from bpfman_core.dispatch.seat import LinkSeat, Seat
from bpfman_core.dispatch.state import State
from bpfman_core.errors import Conflict
from bpfman_core.kernel import maps, pins, programs
from bpfman_core.kernel.maps import MapType
from bpfman_core.model import Attached, ChainMember, ChainView, Host, Json, Link, LinkStatus


def on_a_link(directory: Path, link: Link | None) -> Seat | None:
    """The seat of hooks whose dispatcher is on a BPF link, pinned beside the tables."""
    del link  # such a chain is found without
    return LinkSeat(directory / "link")


@dataclass(frozen=True)
class Chains:
    """All chains on hooks of one type, each in a directory of its own under the plugin's pins.

    A link's options must have `iface`, `netns`, `priority`, `proceed_on` (names of verdicts) and
    `allow_tail_calls`; its state is `{"hook": name of the directory}`. `seat` says where the
    dispatcher of a directory sits, given one of its links if one is known; None if it cannot tell.
    """

    hook: HookType
    seat: Callable[[Path, Link | None], Seat | None] = on_a_link

    def read(self, directory: Path, link: Link) -> State | None:
        """What runs on a hook."""
        chain = self._chain(directory, link)
        return chain.read() if chain else None

    def attach(
        self,
        link: Link,
        directory: Path,
        attach: Attach | None,
        facts: Mapping[str, Json],
        *,
        frags: bool,
    ) -> Attached:
        """Make a link's program a member; `attach` and `facts` are for the first one."""
        chain = self._chain(directory, link)
        assert chain is not None
        chain.add(self._member(link, frags), attach, facts)
        return Attached(state={"hook": directory.name})

    def update(self, link: Link, host: Host) -> Attached:
        """Give the member the priority and proceed-on set of the link's options."""
        codes = self.hook.verdicts.encode(link.options.proceed_on)
        chain = self._of(link, host)
        if chain is None:
            raise Conflict(f"the hook of link {link.id} is gone", hint="detach it")
        chain.change(link.id, link.options.priority, codes)
        return Attached(state=link.state)

    def detach(self, link: Link, host: Host) -> None:
        """Take the member out, wherever it is if its attach was cut short."""
        if link.state:
            chain = self._of(link, host)
            if chain is None:  # its namespace is gone, and so the hook
                pins.remove_directory(host.pins / link.state["hook"])
            else:
                chain.remove(link.id)
            return
        for chain in self._all(host, link):
            running = chain.read()
            if running is not None and position(running.members, link.id) is not None:
                chain.remove(link.id)
            chain.collect()

    def status(self, link: Link, host: Host) -> LinkStatus:
        """Where the member is now; the facts are the chain's own and what the member runs with."""
        chain = self._of(link, host) if link.state else None
        running = chain.read() if chain else None
        if running is None:
            return LinkStatus(attached=False, detail="its interface or its pins are gone")
        place = position(running.members, link.id)
        if place is None:
            return LinkStatus(attached=False, detail="it is no longer among those on its hook")
        member = running.members[place]
        proceed_on = self.hook.verdicts.names(member.proceed_on)
        now = {"priority": member.priority, "proceed_on": proceed_on}
        return LinkStatus(attached=True, position=place, facts={**running.facts, **now})

    def views(self, links: Sequence[Link], host: Host) -> list[ChainView]:
        """The chains that these links are in, as the kernel has them."""
        one_each = {link.state["hook"]: link for link in links if link.state}
        found = (self._view(link, host) for _, link in sorted(one_each.items()))
        return [view for view in found if view is not None]

    def recover(self, links: Sequence[Link], host: Host) -> None:
        """Remove what an earlier process left half-made."""
        known = {link.state["hook"]: link for link in links if link.state}
        for directory in self._directories(host):
            chain = self._chain(directory, known.get(directory.name))
            if chain is not None:
                chain.collect()

    def _view(self, link: Link, host: Host) -> ChainView | None:
        running = self.read(host.pins / link.state["hook"], link)
        if running is None:
            return None
        names = self.hook.verdicts.names
        members = (
            ChainMember(one.program, one.name, one.link, one.priority, names(one.proceed_on))
            for one in running.members
        )
        return ChainView(
            type=self.hook.word,
            iface=link.options.iface,
            members=tuple(members),
            netns=link.options.netns,
            direction=getattr(link.options, "direction", None),
            mode=running.facts.get("mode"),
        )

    def _chain(self, directory: Path, link: Link | None) -> Chain | None:
        seat = self.seat(directory, link)
        return Chain(self.hook, directory, seat) if seat else None

    def _of(self, link: Link, host: Host) -> Chain | None:
        return self._chain(host.pins / link.state["hook"], link)

    def _all(self, host: Host, link: Link) -> Iterator[Chain]:
        for directory in self._directories(host):
            chain = self._chain(directory, link)
            if chain is not None:
                yield chain

    def _directories(self, host: Host) -> list[Path]:
        return list(host.pins.iterdir()) if host.pins.is_dir() else []

    def _member(self, link: Link, frags: bool) -> Member:
        with link.program.open() as program:
            used = programs.info(program).map_ids
        return Member(
            link=link.id,
            program=link.program.id,
            name=link.program.name,
            priority=link.options.priority,
            proceed_on=self.hook.verdicts.encode(link.options.proceed_on),
            tail_calls=any(_is_program_array(map_id) for map_id in used),
            tail_calls_allowed=link.options.allow_tail_calls,
            frags=frags,
        )


def rows(link: Link, status: LinkStatus) -> dict[str, str]:
    """The rows that every member shows, as it runs now, else as it was asked for."""
    options, facts = link.options, status.facts
    return {
        "Priority": str(facts.get("priority", options.priority)),
        "Iface": options.iface,
        "Position": str(status.position),
        "Proceed On": ", ".join(facts.get("proceed_on", options.proceed_on)),
    }


def _is_program_array(map_id: int) -> bool:
    with maps.open_by_id(map_id) as held:
        return maps.info(held).type == MapType.PROG_ARRAY
