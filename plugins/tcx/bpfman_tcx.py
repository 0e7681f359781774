"""TCX programs: the kernel runs them one after the other, in the order of their priorities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bpfman_core.plugin import (
    Attached,
    ChainMember,
    ChainView,
    Fd,
    Host,
    Link,
    LinkStatus,
    Options,
    ProgramKind,
    ProgramType,
    hookimpl,
    interfaces,
    links,
    option,
    pins,
    programs,
    tcx,
)
from bpfman_core.plugin import netns as namespaces


class TcxOptions(Options):
    """Where a TCX program attaches, and its place among the others there."""

    direction: str = option(
        "-d",
        "--direction",
        help="Packets that arrive, or that leave",
        choices=tuple(tcx.DIRECTIONS),
    )
    iface: str = option("-i", "--iface", help="Interface to attach to", metavar="NAME")
    priority: int = option(
        "-p",
        "--priority",
        help="Lower runs first; equals run in the order they were attached",
        minimum=0,
        maximum=2**31 - 1,
        metavar="NUMBER",
    )
    netns: str | None = option(
        "--netns", help="Network namespace of the interface", default=None, metavar="PATH"
    )


@hookimpl
def bpfman_program_types() -> list[ProgramType]:
    return [
        ProgramType(
            word="tcx",
            summary="Judge packets that arrive or leave, in the kernel's own order",
            kind=ProgramKind.SCHED_CLS,
            sections=("tcx/ingress", "tcx/egress", "tc", "classifier"),
            options=TcxOptions,
        )
    ]


@hookimpl
def bpfman_validate(link: Link) -> None:
    with namespaces.inside(link.options.netns):
        interfaces.index(link.options.iface)


@hookimpl
def bpfman_attach(link: Link, host: Host) -> Attached:
    options = link.options
    with namespaces.inside(options.netns) as namespace:
        ifindex = interfaces.index(options.iface)
        directory = host.pins / f"{namespace}-{ifindex}-{options.direction}"
        place = _Place(options.priority, link.id)
        with link.program.open() as program, _create(program, link, directory, place) as made:
            directory.mkdir(parents=True, exist_ok=True)
            pins.pin(made, directory / place.name)
    return Attached(state={"hook": directory.name})


@hookimpl
def bpfman_detach(link: Link, host: Host) -> None:
    for pin in list(host.pins.glob(f"*/*_{link.id}")):
        held = pins.open_pin(pin)
        pins.unpin(pin)
        links.destroy(held)
    for directory in list(host.pins.glob("*")):
        if not any(directory.iterdir()):
            directory.rmdir()


@hookimpl
def bpfman_status(link: Link, host: Host) -> LinkStatus:
    running = _running(host.pins / link.state["hook"]) if link.state else []
    for position, place in enumerate(running):
        if place.link == link.id:
            return LinkStatus(attached=True, position=position)
    return LinkStatus(attached=False, detail="its interface or its pin is gone")


@hookimpl
def bpfman_render(link: Link, status: LinkStatus) -> dict[str, str]:
    rows = {
        "Direction": link.options.direction,
        "Priority": str(link.options.priority),
        "Iface": link.options.iface,
        "Position": str(status.position),
    }
    if link.options.netns:
        rows["Netns"] = link.options.netns
    return rows


@hookimpl
def bpfman_chains(host: Host, netns: str | None) -> list[ChainView]:
    ours = dict(_by_kernel_id(host))
    with namespaces.inside(netns):
        hooks = [
            (iface, direction, tcx.on(interfaces.index(iface), direction))
            for iface in interfaces.names()
            for direction in tcx.DIRECTIONS
        ]
    return [
        ChainView(
            type="tcx",
            iface=iface,
            members=tuple(_member(program, ours.get(link)) for program, link in found),
            netns=netns,
            direction=direction,
        )
        for iface, direction, found in hooks
        if found
    ]


@dataclass(frozen=True, order=True)
class _Place:
    """A link of ours on a hook, by what decides its place there; its pin is called after it."""

    priority: int
    link: int

    @property
    def name(self) -> str:
        return f"{self.priority}_{self.link}"


def _create(program: Fd, link: Link, directory: Path, place: _Place) -> Fd:
    """Attach behind the last of ours that comes before it; else before the first of ours."""
    running = _running(directory)
    interface, direction = link.options.iface, link.options.direction
    lower = [other for other in running if other < place]
    if lower:
        with pins.open_pin(directory / lower[-1].name) as neighbour:
            return tcx.attach(program, interface, direction, after=neighbour)
    if running:
        with pins.open_pin(directory / running[0].name) as neighbour:
            return tcx.attach(program, interface, direction, before=neighbour)
    return tcx.attach(program, interface, direction, first=True)


def _running(directory: Path) -> list[_Place]:
    """Our links on a hook, in the order they run; those without an interface left out."""
    return sorted(_alive(directory))


def _alive(directory: Path) -> Iterator[_Place]:
    for pin in directory.glob("*_*"):
        with pins.open_pin(pin) as held:
            if links.info(held).ifindex:
                priority, _, link = pin.name.partition("_")
                yield _Place(int(priority), int(link))


def _by_kernel_id(host: Host) -> Iterator[tuple[int, _Place]]:
    for directory in host.pins.glob("*"):
        for place in _running(directory):
            with pins.open_pin(directory / place.name) as held:
                yield links.info(held).id, place


def _member(program_id: int, place: _Place | None) -> ChainMember:
    name = programs.name(program_id)
    if place is None:
        return ChainMember(program_id, name)
    return ChainMember(program_id, name, place.link, place.priority)
