"""The hooks of the program type tc."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bpfman_core.plugin import (
    Attached,
    Chains,
    ChainView,
    Conflict,
    Fd,
    Host,
    InvalidRequest,
    Link,
    LinkStatus,
    ProgramKind,
    ProgramType,
    Unsupported,
    chain_rows,
    hookimpl,
    interfaces,
    require_dispatcher,
    tcx,
)
from bpfman_core.plugin import netns as namespaces
from bpfman_tc.hook import TC
from bpfman_tc.options import AUTO, HOOKS, TcOptions
from bpfman_tc.place import chains_of, on, seat

CHAINS = Chains(TC, seat)


@hookimpl
def bpfman_program_types() -> list[ProgramType]:
    return [
        ProgramType(
            word="tc",
            summary="Judge packets that arrive at an interface or leave it",
            kind=ProgramKind.SCHED_CLS,
            sections=("tc", "classifier", "action"),
            options=TcOptions,
        )
    ]


@hookimpl
def bpfman_validate(link: Link) -> None:
    require_dispatcher(TC)
    with namespaces.inside(link.options.netns):
        interfaces.index(link.options.iface)


@hookimpl
def bpfman_attach(link: Link, host: Host) -> Attached:
    options = link.options
    with namespaces.inside(options.netns) as namespace:
        ifindex = interfaces.index(options.iface)
        place = chains_of(host).pins / f"{namespace}-{ifindex}-{options.direction}"
        *preferred, last = _hooks(link, host, place)
        for hook in preferred:
            try:
                return _attach(link, place, hook)
            except Unsupported:
                continue
        return _attach(link, place, last)


@hookimpl
def bpfman_update(link: Link, host: Host) -> Attached:
    return CHAINS.update(link, chains_of(host))


@hookimpl
def bpfman_detach(link: Link, host: Host) -> None:
    CHAINS.detach(link, chains_of(host))


@hookimpl
def bpfman_status(link: Link, host: Host) -> LinkStatus:
    return CHAINS.status(link, chains_of(host))


@hookimpl
def bpfman_render(link: Link, status: LinkStatus) -> dict[str, str]:
    rows = {"Direction": link.options.direction, **chain_rows(link, status)}
    rows["TC Hook"] = str(status.facts.get("mode"))
    if link.options.netns:
        rows["Netns"] = link.options.netns
    return rows


@hookimpl
def bpfman_chains(links: Sequence[Link], host: Host, netns: str | None) -> list[ChainView]:
    return [view for view in CHAINS.views(links, chains_of(host)) if netns in (None, view.netns)]


@hookimpl
def bpfman_recover(links: Sequence[Link], host: Host) -> None:
    CHAINS.recover(links, chains_of(host))


def _hooks(link: Link, host: Host, place: Path) -> Sequence[str]:
    """The hooks to try, in order: where a chain runs already, as asked, as configured, or any."""
    asked = link.options.hook
    if asked == AUTO:
        asked = host.interfaces.get(link.options.iface, {}).get("tc_hook", AUTO)
    if asked not in (AUTO, *HOOKS):
        raise InvalidRequest(
            f"the configuration sets tc_hook of {link.options.iface} to {asked!r}",
            hint=f"it can be {' or '.join(HOOKS)}",
        )
    running = [hook for hook in HOOKS if CHAINS.read(on(place, hook), link)]
    if running and asked not in (AUTO, *running):
        raise Conflict(
            f"the programs on {link.options.direction} of {link.options.iface} run on {running[0]}",
            hint="leave --hook out, or detach them first",
        )
    return running or (HOOKS if asked == AUTO else (asked,))


def _attach(link: Link, place: Path, hook: str) -> Attached:
    def put(dispatcher: Fd) -> Fd:
        return tcx.attach(dispatcher, link.options.iface, link.options.direction)

    return CHAINS.attach(link, on(place, hook), put, {"mode": hook}, frags=False)
