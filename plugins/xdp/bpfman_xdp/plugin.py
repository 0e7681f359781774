"""The hooks of the program type xdp."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bpfman_core.plugin import (
    Attached,
    AttachType,
    Chain,
    Conflict,
    Host,
    Link,
    LinkStatus,
    MapType,
    Member,
    ProgramKind,
    ProgramType,
    Unsupported,
    hookimpl,
    interfaces,
    maps,
    netns,
    position,
    programs,
    require_dispatcher,
)
from bpfman_xdp.hook import VERDICTS, XDP, attach
from bpfman_xdp.modes import AUTO, modes_for
from bpfman_xdp.options import XdpLoadOptions, XdpOptions


@hookimpl
def bpfman_program_types() -> list[ProgramType]:
    return [
        ProgramType(
            word="xdp",
            summary="Judge packets as they arrive at an interface",
            kind=ProgramKind.XDP,
            sections=("xdp", "xdp.frags"),
            options=XdpOptions,
            load_options=XdpLoadOptions,
            expected_attach_type=AttachType.XDP,
        )
    ]


@hookimpl
def bpfman_validate(link: Link, host: Host) -> None:
    require_dispatcher(XDP)
    with netns.inside(link.options.netns):
        interfaces.index(link.options.iface)
    modes_for(link.options, host)


@hookimpl
def bpfman_attach(link: Link, host: Host) -> Attached:
    options = link.options
    with netns.inside(options.netns) as namespace:
        ifindex = interfaces.index(options.iface)
        directory = host.pins / f"{namespace}-{ifindex}"
        chain = Chain(XDP, directory)
        modes = modes_for(options, host)
        running = chain.read()
        if running is not None and options.mode not in (AUTO, running.facts["mode"]):
            raise Conflict(
                f"the programs on {options.iface} run in {running.facts['mode']} mode",
                hint=f"attach with --mode {running.facts['mode']}, or leave it out",
            )
        for mode in modes:
            put = partial(attach, name=options.iface, ifindex=ifindex, mode=mode)
            try:
                chain.add(_member(link), put, {"mode": mode})
                break
            except Unsupported:
                if mode == modes[-1]:
                    raise
    return Attached(state={"hook": directory.name})


@hookimpl
def bpfman_update(link: Link, host: Host) -> Attached:
    chain = Chain(XDP, host.pins / link.state["hook"])
    chain.change(link.id, link.options.priority, VERDICTS.encode(link.options.proceed_on))
    return Attached(state=link.state)


@hookimpl
def bpfman_detach(link: Link, host: Host) -> None:
    if link.state:
        Chain(XDP, host.pins / link.state["hook"]).remove(link.id)
        return
    for chain in _chains(host):  # the attach was cut short, and may have been anywhere
        running = chain.read()
        if running is not None and position(running.members, link.id) is not None:
            chain.remove(link.id)
        chain.collect()


@hookimpl
def bpfman_status(link: Link, host: Host) -> LinkStatus:
    running = Chain(XDP, host.pins / link.state["hook"]).read() if link.state else None
    if running is None:
        return LinkStatus(attached=False, detail="its interface or its pins are gone")
    place = position(running.members, link.id)
    if place is None:
        return LinkStatus(attached=False, detail="it is no longer in the chain of its interface")
    member = running.members[place]
    return LinkStatus(
        attached=True,
        position=place,
        facts={
            "mode": running.facts["mode"],
            "priority": member.priority,
            "proceed_on": VERDICTS.names(member.proceed_on),
        },
    )


@hookimpl
def bpfman_render(link: Link, status: LinkStatus) -> dict[str, str]:
    options, facts = link.options, status.facts
    rows = {
        "Priority": str(facts.get("priority", options.priority)),
        "Iface": options.iface,
        "Position": str(status.position),
        "Proceed On": ", ".join(facts.get("proceed_on", options.proceed_on)),
        "XDP Mode": str(facts.get("mode")),
    }
    if options.netns:
        rows["Netns"] = options.netns
    return rows


@hookimpl
def bpfman_recover(host: Host) -> None:
    for chain in _chains(host):
        chain.collect()
    require_dispatcher(XDP)


def _member(link: Link) -> Member:
    with link.program.open() as program:
        used = programs.info(program).map_ids
    return Member(
        link=link.id,
        program=link.program.id,
        name=link.program.name,
        priority=link.options.priority,
        proceed_on=VERDICTS.encode(link.options.proceed_on),
        tail_calls=any(_is_program_array(map_id) for map_id in used),
        tail_calls_allowed=link.options.allow_tail_calls,
        frags=link.program.options.frags,
    )


def _is_program_array(map_id: int) -> bool:
    with maps.open_by_id(map_id) as held:
        return maps.info(held).type == MapType.PROG_ARRAY


def _chains(host: Host) -> Iterator[Chain]:
    if host.pins.is_dir():
        for directory in list(host.pins.iterdir()):
            yield Chain(XDP, directory)
