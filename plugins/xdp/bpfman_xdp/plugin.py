"""The hooks of the program type xdp."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bpfman_core.plugin import (
    Attached,
    AttachType,
    ChainMember,
    Chains,
    ChainView,
    Conflict,
    Host,
    Link,
    LinkStatus,
    ProgramKind,
    ProgramType,
    Unsupported,
    chain_rows,
    hookimpl,
    interfaces,
    programs,
    require_dispatcher,
)
from bpfman_core.plugin import netns as namespaces
from bpfman_xdp.hook import XDP, put
from bpfman_xdp.modes import AUTO, modes_for
from bpfman_xdp.options import XdpLoadOptions, XdpOptions

CHAINS = Chains(XDP)


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
    with namespaces.inside(link.options.netns):
        interfaces.index(link.options.iface)
    modes_for(link.options, host)


@hookimpl
def bpfman_attach(link: Link, host: Host) -> Attached:
    options = link.options
    with namespaces.inside(options.netns) as namespace:
        ifindex = interfaces.index(options.iface)
        directory = host.pins / f"{namespace}-{ifindex}"
        running = CHAINS.read(directory, link)
        if running is not None and options.mode not in (AUTO, running.facts["mode"]):
            raise Conflict(
                f"the programs on {options.iface} run in {running.facts['mode']} mode",
                hint=f"attach with --mode {running.facts['mode']}, or leave it out",
            )
        *preferred, last = modes_for(options, host)
        for mode in preferred:
            try:
                return _attach(link, directory, ifindex, mode)
            except Unsupported:
                continue
        return _attach(link, directory, ifindex, last)


@hookimpl
def bpfman_update(link: Link, host: Host) -> Attached:
    return CHAINS.update(link, host)


@hookimpl
def bpfman_detach(link: Link, host: Host) -> None:
    CHAINS.detach(link, host)


@hookimpl
def bpfman_status(link: Link, host: Host) -> LinkStatus:
    return CHAINS.status(link, host)


@hookimpl
def bpfman_render(link: Link, status: LinkStatus) -> dict[str, str]:
    rows = chain_rows(link, status)
    rows["XDP Mode"] = str(status.facts.get("mode"))
    if link.options.netns:
        rows["Netns"] = link.options.netns
    return rows


@hookimpl
def bpfman_chains(links: Sequence[Link], host: Host, netns: str | None) -> list[ChainView]:
    ours = [view for view in CHAINS.views(links, host) if netns in (None, view.netns)]
    here = {view.iface for view in ours if view.netns == netns}
    with namespaces.inside(netns):
        strangers = interfaces.xdp_occupants()
    return ours + [
        ChainView(
            type="xdp",
            iface=iface,
            members=(ChainMember(stranger.program_id, programs.name(stranger.program_id)),),
            netns=netns,
            mode=stranger.mode,
        )
        for iface, stranger in strangers.items()
        if iface not in here
    ]


@hookimpl
def bpfman_recover(links: Sequence[Link], host: Host) -> None:
    CHAINS.recover(links, host)
    require_dispatcher(XDP)


def _attach(link: Link, directory: Path, ifindex: int, mode: str) -> Attached:
    on_interface = partial(put, name=link.options.iface, ifindex=ifindex, mode=mode)
    frags = link.program.options.frags
    return CHAINS.attach(link, directory, on_interface, {"mode": mode}, frags=frags)
